"""Names what a file is when it is not ONNX, so that the message can say what to do."""

from __future__ import annotations

_EXPORT = "Export it to ONNX first"
_KINDS: list[tuple[int, bytes, str, str]] = [  # offset, bytes found there, what it is, what to do
    (0, b"version https://git-lfs", "it is a Git LFS pointer", "Fetch the real file with: git lfs pull."),
    (0, b"PK\x03\x04", "it is a ZIP archive, as torch.save writes", f"{_EXPORT} with torch.onnx.export."),
    (0, b"\x80\x02", "it is a Python pickle, as torch.save writes", f"{_EXPORT} with torch.onnx.export."),
    (0, b"\x89HDF", "it is an HDF5 file, as Keras writes", f"{_EXPORT} with tf2onnx."),
    (0, b"\x1f\x8b", "it is compressed (gzip)", "Unpack it first."),
    (0, b"\xfd7zXZ", "it is compressed (xz)", "Unpack it first."),
    (4, b"TFL3", "it is a TensorFlow Lite model", f"{_EXPORT} with tf2onnx."),
    (4, b"ORTM", "it is a model in ONNX Runtime's own format", "Give the .onnx file it was made from."),
]


def what_it_is(head: bytes) -> tuple[str, str]:
    """(what it is, what to do) from the first bytes of a file that failed to load as ONNX."""
    for offset, magic, what, fix in _KINDS:
        if head[offset : offset + len(magic)] == magic:
            return what, fix
    if _is_text(head):
        return "it is a text file", "Give the path of an .onnx file."
    return "it is cut short, damaged, or of another kind", "Copy or download it again, or export the model again."


def _is_text(head: bytes) -> bool:
    return all(byte >= 0x20 or byte in b"\t\r\n\f" for byte in head)

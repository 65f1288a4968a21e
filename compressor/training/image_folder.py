"""A folder with a sub-folder of pictures for each class; the sorted names of the sub-folders are classes 0, 1, ...

Where there are no such sub-folders, the pictures in the folder itself are samples without labels.

Every picture is resized (bilinear, the whole picture, without keeping its proportions) to the model's input:
[N, 3, H, W] or [N, H, W, 3] in colour, [N, 1, H, W] or [N, H, W, 1] in grey. How pixels become numbers:

- ``unit``: 0 to 1;
- ``symmetric``: -1 to 1;
- ``imagenet``: 0 to 1, less mean (0.485, 0.456, 0.406), over deviation (0.229, 0.224, 0.225);
- ``bytes``: 0 to 255.

Anything else (crops, augmentation) is a data set of the user's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.errors import UsageError
from compressor.extras import require
from compressor.foreign_errors import ForeignErrors, reason
from compressor.training.data import Batch, Indices
from compressor.training.wanted import WantedInput

PIXELS = ("unit", "symmetric", "imagenet", "bytes")
_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


class ImageFolder:
    """Samples read from picture files when they are drawn.

    Attributes:
        classes: names of the sub-folders, by label.
    """

    def __init__(self, folder: Path, wanted: Sequence[WantedInput], pixels: str = "unit") -> None:
        require("PIL", "images", "a folder of pictures")
        if pixels not in PIXELS:
            raise UsageError(f"unknown pixel scale {pixels!r}", fix=f"Choose one of {', '.join(PIXELS)}.")
        self._pixels = pixels
        self._want, self._channels_last, self._channels, self._size = _layout(wanted, folder)
        if pixels != "bytes" and not np.issubdtype(self._want.dtype, np.floating):
            raise UsageError(
                f"input {self._want.name!r} takes whole numbers, and {pixels!r} makes fractions of the pixels",
                where=str(folder),
                fix="Take bytes (--pixels bytes).",
            )
        self.classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
        self._files: list[tuple[Path, int]] = [
            (path, label)
            for label, name in enumerate(self.classes)
            for path in sorted((folder / name).rglob("*"))
            if path.suffix.lower() in _SUFFIXES
        ]
        self._labelled = bool(self._files)
        if not self._labelled:
            self._files = [(path, 0) for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES]
        if not self._files:
            raise UsageError(
                "has no pictures, nor any in sub-folders",
                where=str(folder),
                fix="Make one sub-folder of pictures a class.",
            )

    def __len__(self) -> int:
        return len(self._files)

    def batch(self, indices: Indices) -> Batch:
        """See Samples."""
        chosen = [self._files[int(index)] for index in indices]
        images = np.stack([self._read(path) for path, _ in chosen])
        labels = np.array([label for _, label in chosen], np.int64) if self._labelled else None
        return Batch((images.astype(self._want.dtype, copy=False),), labels)

    def _read(self, path: Path) -> NDArray[Any]:
        from PIL import Image

        def unreadable(error: BaseException) -> UsageError:
            return UsageError(f"cannot be read: {reason(error)}", where=str(path), fix="Remove or replace the picture.")

        # A damaged picture raises what the reader of its format happens to raise: SyntaxError, struct.error ...
        with ForeignErrors(unreadable), Image.open(path) as image:
            fitting = image.convert("RGB" if self._channels == 3 else "L")
            resized = fitting.resize(self._size, Image.Resampling.BILINEAR)
        values = np.asarray(resized, np.uint8).reshape(self._size[1], self._size[0], self._channels)
        scaled = self._scaled(values)
        return scaled if self._channels_last else np.ascontiguousarray(scaled.transpose(2, 0, 1))

    def _scaled(self, values: NDArray[np.uint8]) -> NDArray[Any]:
        if self._pixels == "bytes":
            return values
        unit = values.astype(np.float32) / np.float32(255)
        if self._pixels == "symmetric":
            return unit * np.float32(2) - np.float32(1)
        if self._pixels == "imagenet":
            mean, deviation = _IMAGENET_MEAN, _IMAGENET_DEVIATION
            if self._channels == 1:
                mean, deviation = mean.mean(keepdims=True), deviation.mean(keepdims=True)
            return (unit - mean) / deviation
        return unit


def _layout(wanted: Sequence[WantedInput], folder: Path) -> tuple[WantedInput, bool, int, tuple[int, int]]:
    """(the input, whether channels come last, channels, (width, height))."""
    if len(wanted) == 1 and len(wanted[0].shape) == 4:
        _, *sizes = wanted[0].shape
        for last, (channels, height, width) in ((False, sizes), (True, [sizes[2], sizes[0], sizes[1]])):
            if channels in (1, 3) and isinstance(height, int) and isinstance(width, int):
                return wanted[0], last, int(channels), (width, height)
    takes = ", ".join(map(str, wanted))
    raise UsageError(
        f"pictures do not fit a model that takes {takes}", where=str(folder),
        fix="Give a model with one input [N, 3, H, W] or [N, 1, H, W] (or channels last), H and W fixed; or code.",
    )  # fmt: skip

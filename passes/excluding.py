"""Spaces that stay whole because the user says so: by parameter, by parameter and axis, or by node."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from compressor.errors import UsageError
from compressor.passes.spaces import Space

_COPY_SUFFIX = re.compile(r"_pruned\d*$")  # of a shared parameter that an earlier step cut for one of its uses


def without_excluded(spaces: Sequence[Space], excluded: Sequence[str]) -> list[Space]:
    """The spaces that no name in ``excluded`` is about.

    Args:
        spaces: of a model.
        excluded: "layer1.conv1.weight" keeps every space that runs along this parameter, "layer1.conv1.weight[0]" the
            one along its axis 0, a node's name those along its parameters; "layer4.*" is a pattern of such names.

    Raises:
        UsageError: a name is about none of the spaces.
    """
    if not excluded:
        return list(spaces)
    names = [set(_names(space)) for space in spaces]
    kept: set[int] = set()
    for wanted in excluded:
        found = {number for number, own in enumerate(names) if _is_about(own, wanted)}
        if not found:
            raise _unknown(wanted, sorted(set().union(*names)))
        kept |= found
    return [space for number, space in enumerate(spaces) if number not in kept]


def _names(space: Space) -> Iterator[str]:
    for member in space.members:
        parameter = _COPY_SUFFIX.sub("", member.parameter)
        yield from (member.node, member.parameter, parameter, f"{parameter}[{member.axis}]")
    yield space.name


def _is_about(names: set[str], wanted: str) -> bool:
    """A name as it is first: brackets mean something else in a pattern."""
    return wanted in names or any(fnmatchcase(name, wanted) for name in names)


def _unknown(wanted: str, names: list[str]) -> UsageError:
    near = difflib.get_close_matches(wanted, names, 3)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return UsageError(
        f"--exclude {wanted}: no channels are called that", fix=f"{hint}`compressor inspect` lists the names."
    )

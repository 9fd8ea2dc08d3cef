"""What the search spaces of "On Network Design Spaces" (NDS, arXiv:1905.13214) share: records, and how they shrink.

An architecture is what a record of the official files calls ``net``; `parse` takes the record, its ``net``, or either
as JSON. The records state width and depth, so that both are part of the architecture. The spaces of cells are in
`nds_cells`, ResNet's family is in `nds_resnets`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional

from naslib_gennas import reading
from naslib_gennas.errors import InputError
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces.space import SearchSpace

#: Widths are stated for networks of 16 channels, depths for the 20 cells that the cell spaces' networks usually have.
USUAL_CHANNELS = 16
#: Of any number in a record: a network with more of anything fits into no memory.
LARGEST = 100_000
USUAL_DEPTH = 20
#: What NDS bounds the networks that it draws for ImageNet by: one of the two is kept, parameters or multiply-adds.
IMAGENET_PARAMETERS, IMAGENET_OPERATIONS = 6.0e6, 0.6e9


@dataclass(frozen=True)
class Shrink:
    """How much smaller than its record a network is built.

    Attributes:
        channels: what 16 channels of a record become; None: 16.
        cells: normal cells per stage that a network of the usual depth keeps; None: as the record states.
    """

    channels: Optional[int] = None
    cells: Optional[int] = None

    def width(self, width: int, step: int) -> int:
        """A record's width, as a multiple of `step`; widths that differ stay apart as far as that allows."""
        factor = 1.0 if self.channels is None else self.channels / USUAL_CHANNELS
        return step * max(1, round(width * factor / step))


class Nds(SearchSpace[Any]):
    """What all spaces of NDS share: widths and depths are the architecture's, so a profile shrinks in proportion."""

    imagenet = False

    @property
    def published_classes(self) -> int:  # type: ignore[override]
        return 1000 if self.imagenet else 10

    @property
    def published_resolution(self) -> int:  # type: ignore[override]
        return 224 if self.imagenet else 32

    def size(self, profile: Profile) -> Shrink:
        return Shrink(profile.channels, profile.cells)


def read_net(content: Any, where: str, notation: str) -> Mapping[str, Any]:
    """The ``net`` of a record, of its ``net`` or of either as JSON."""
    if isinstance(content, str):
        content = reading.from_json(content, where, notation)
    if isinstance(content, Mapping) and isinstance(content.get("net"), Mapping):
        content = content["net"]
    if not isinstance(content, Mapping):
        raise InputError(f"{where}: {str(content)[:60]!r} is no record; one looks like {notation}")
    return content


def whole(net: Mapping[str, Any], key: str, least: int, where: str) -> int:
    value: Any = net.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LARGEST:
        raise InputError(f"{where}: '{key}' is {value!r}; it takes a whole number from {least} to {LARGEST}")
    return value

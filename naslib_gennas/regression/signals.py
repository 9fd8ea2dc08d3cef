"""The synthetic signals that stage feature maps regress onto (section 3.2 of arXiv:2108.01899, figure 3).

Every function gives maps (images, channels, height, width), float32 on the CPU; with ``local=False`` all images share
one target. Pixels are counted from 1, as the paper's experiments do. With a size of one number, (length,), the same
signals come in one dimension: maps (images, channels, length); with three, (depth, height, width), in three.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import List, Sequence, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter1d

BASES = ("sin1d", "sin2d", "dot", "gdot", "resize", "zero")

Size = Tuple[int, ...]

# Maps of one frequency (or pair of frequencies) and axis (or orientation) in the pool that channels are drawn from.
PHASES = 32


def sin1d(
    frequencies: Sequence[float],
    images: int,
    channels: int,
    size: Size,
    generator: torch.Generator,
    local: bool = True,
) -> torch.Tensor:
    """Sine waves along one axis, constant along the other; in [-1, 1].

    A pool of ``len(frequencies) * axes * 32 phases`` maps, half sines and half cosines, phases uniform in [0, 2*pi), is
    drawn anew for every image (or once, when not `local`); `channels` of it are taken at random.

    Args:
        frequencies: cycles a pixel.
        size: (height, width) of a map.
    """
    axes = len(size)
    group, phase, quarter = _draw(len(frequencies), axes, images if local else 1, channels, generator)
    frequency = torch.tensor(frequencies, dtype=torch.float32)[group // axes]
    places = _pixels(size)
    position = places[0]
    for axis in range(1, axes):
        position = torch.where(_map(group % axes == axis, axes), places[axis], position)
    waves = torch.sin(2 * math.pi * _map(frequency, axes) * position + _map(phase, axes) + _map(quarter, axes))
    return _share(waves, images)


def sin2d(
    frequencies: Sequence[float],
    images: int,
    channels: int,
    size: Size,
    generator: torch.Generator,
    local: bool = True,
) -> torch.Tensor:
    """Plane waves sin(2*pi*(f1*y + f2*x) + 2*phase), (f1, f2) from the grid of frequencies, half flipped along y.

    Args:
        frequencies: cycles a pixel, for both axes.
        size: (height, width) of a map; in one dimension there is no second axis and the waves are those of `sin1d`; in
            three, a wave lies in a plane of two axes and is constant along the third.
    """
    if len(size) == 1:
        return sin1d(frequencies, images, channels, size, generator, local)
    count = len(frequencies)
    if len(size) == 3:
        return _plane_waves(frequencies, images, channels, size, generator, local)
    group, phase, quarter = _draw(count * count, 2, images if local else 1, channels, generator)
    table = torch.tensor(frequencies, dtype=torch.float32)
    f1, f2 = _map(table[group // 2 // count]), _map(table[group // 2 % count])
    y, x = _pixels(size)
    # Maps for sequences are cut out of square ones, and it is the square that is flipped.
    y = torch.where(_map(group % 2 == 1), max(size) + 1 - y, y)
    return _share(torch.sin(2 * math.pi * (f1 * y + f2 * x) + 2 * _map(phase) + _map(quarter)), images)


def _plane_waves(
    frequencies: Sequence[float], images: int, channels: int, size: Size, generator: torch.Generator, local: bool
) -> torch.Tensor:
    """`sin2d` in three dimensions."""
    count = len(frequencies)
    group, phase, quarter = _draw(count * count, 3, images if local else 1, channels, generator)
    table = torch.tensor(frequencies, dtype=torch.float32)
    f1, f2 = _map(table[group // 3 // count], 3), _map(table[group // 3 % count], 3)
    z, y, x = _pixels(size)
    left_out = _map(group % 3, 3)
    one, other = torch.where(left_out == 0, y, z), torch.where(left_out == 2, y, x)
    return _share(torch.sin(2 * math.pi * (f1 * one + f2 * other) + 2 * _map(phase, 3) + _map(quarter, 3)), images)


def dot(
    fraction: float,
    images: int,
    channels: int,
    size: Size,
    generator: torch.Generator,
    local: bool = True,
) -> torch.Tensor:
    """``int(fraction * (height * width))`` distinct pixels of every map set to +1 or -1 at random, the rest 0."""
    pixels = math.prod(size)
    shape = (images if local else 1, channels, pixels)
    signs = torch.randint(0, 2, shape, generator=generator).float() * 2 - 1
    rank = torch.rand(shape, generator=generator).argsort(-1).argsort(-1)
    maps = torch.where(rank < int(fraction * pixels), signs, torch.zeros(()))
    return _share(maps.view(-1, channels, *size), images)


def gdot(
    fraction: float,
    images: int,
    channels: int,
    size: Size,
    generator: torch.Generator,
    local: bool = True,
) -> torch.Tensor:
    """`dot` smoothed by a Gaussian of sigma 1 pixel, each map divided by its largest absolute value."""
    maps = dot(fraction, images if local else 1, channels, size, generator)
    if len(size) == 3:
        maps = torch.einsum("pq,ncqhw->ncphw", _smoothing(size[0]), maps)
    if len(size) > 1:
        maps = _smoothing(size[-2]) @ maps
    maps = maps @ _smoothing(size[-1]).T
    peak = _map(maps.abs().flatten(2).amax(2), len(size))
    return _share(maps / torch.where(peak > 0, peak, torch.ones(())), images)


def resize(inputs: torch.Tensor, channels: int, size: Size, generator: torch.Generator) -> torch.Tensor:
    """The input images resized to `size` (nearest), scaled over the batch to [-1, 1], their colours drawn at random.

    Args:
        inputs: (images, 3, height, width); in one dimension its columns are the time, its rows what colours are else.
            Any other input is shown in the dimensions that the maps have: axes are added in front of its own, or its
            first ones count as channels.
    """
    pictures = inputs.detach().float().cpu()
    pictures = pictures[:, None] if pictures.dim() < 3 else pictures
    pictures = pictures.flatten(1, max(1, pictures.dim() - 1 - len(size)))
    while pictures.dim() < len(size) + 2:
        pictures = pictures.unsqueeze(2)
    small = F.interpolate(pictures, size)
    small = small - small.min()
    span = small.max()
    small = (small / span - 0.5) * 2 if span > 0 else small
    colours = torch.randint(0, small.shape[1], (channels,), generator=generator)
    return small[:, colours]


def zero(images: int, channels: int, size: Size) -> torch.Tensor:
    """All zeros: the control of table 1."""
    return torch.zeros(images, channels, *size)


def _draw(
    waves: int, axes: int, draws: int, channels: int, generator: torch.Generator
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Take `channels` maps out of a pool of ``waves * axes * PHASES`` without repetition.

    Returns:
        The group of each map (draws, channels), wave after wave with its axes (or flips) side by side; its phase, which
        the axes of a wave share; and the quarter turn that makes every second map a cosine.
    """
    pool = torch.rand(draws, waves * axes * PHASES, generator=generator)
    # A task with more channels than the pool has maps goes through the pool again.
    order = pool.topk(min(channels, pool.shape[1])).indices
    chosen = order[:, torch.arange(channels) % order.shape[1]]
    group, member = chosen // PHASES, chosen % PHASES
    phases = torch.rand(draws, waves, PHASES, generator=generator) * 2 * math.pi
    phase = phases[torch.arange(draws)[:, None], group // axes, member]
    return group, phase, member % 2 * (math.pi / 2)


def _map(values: torch.Tensor, axes: int = 2) -> torch.Tensor:
    """One value a map, shaped to broadcast over its pixels."""
    return values.reshape(*values.shape, *[1] * axes)


def _share(maps: torch.Tensor, images: int) -> torch.Tensor:
    """Give all images the one global target, where there is one only."""
    return maps.expand(images, *maps.shape[1:]).clone() if maps.shape[0] != images else maps


def _pixels(size: Size) -> List[torch.Tensor]:
    """Of every pixel of a map its place along each axis (row and column), counted from 1."""
    return list(torch.meshgrid(*(torch.arange(1, side + 1, dtype=torch.float32) for side in size), indexing="ij"))


@lru_cache(maxsize=None)
def _smoothing(length: int) -> torch.Tensor:
    """The (length, length) matrix that smooths by a Gaussian of sigma 1, reflecting at the borders."""
    return torch.from_numpy(gaussian_filter1d(np.eye(length), sigma=1.0, axis=0)).float()

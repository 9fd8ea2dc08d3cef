"""Input images that are generated, not photographed: noise, dead leaves, fractals, Gaussian classes.

Whether a search needs real images is asked by UnrealNAS (arXiv:2205.02162); what such images look like is taken from
the work on learning to see without photographs. Every image depends on a seed and on its own number alone: fewer images
are the first of more. But for noise, it is drawn on the plane: at another resolution it is the same image.
"""

from __future__ import annotations

import colorsys
from typing import Callable, Mapping

import numpy as np
import torch

# Dead leaves: how many discs, the range of their radii (the side of an image is 1), and points a pixel and axis.
_LEAVES, _RADII, _FINE = 300, (0.03, 0.5), 2
# Fractals: affine maps, walkers, steps that each walks, and the first of them, which are not on the attractor yet.
_MAPS, _WALKERS, _STEPS, _SETTLING = (2, 5), 500, 60, 10
#: How many Gaussian classes there are.
CLASSES = 10
# The coarse grid of a class's mean, and the noise within a class.
_GRID, _WITHIN = 4, 0.6


def noise(seed: int, count: int, side: int) -> np.ndarray:
    """Independent N(0, 1) pixels: UnrealNAS's Gaussian noise (arXiv:2205.02162)."""
    return np.random.default_rng(seed).standard_normal((count, 3, side, side), dtype=np.float32)


def dead_leaf_image(seed: int, index: int, side: int) -> np.ndarray:
    """Discs of random colours that hide each other, radii with a density of r^-3, as in natural images' statistics.

    The model of Lee, Mumford and Huang (2001), used to learn from noise by Baradad et al. (arXiv:2106.05963).
    """
    rng = _rng(seed, index)
    least, most = _RADII
    # The inverse of the distribution function of the density r^-3 between the two radii.
    radii = (least**-2 - rng.random(_LEAVES) * (least**-2 - most**-2)) ** -0.5
    places = rng.random((_LEAVES, 2))
    colours = rng.random((_LEAVES, 3))
    axis = (np.arange(side * _FINE) + 0.5) / (side * _FINE)
    shown = np.full((side * _FINE, side * _FINE), _LEAVES - 1)
    free = np.ones_like(shown, dtype=bool)
    rows = (axis[None, :] - places[:, :1]) ** 2
    columns = (axis[None, :] - places[:, 1:]) ** 2
    for leaf in range(_LEAVES):  # the first one lies on top
        seen = free & (rows[leaf][:, None] + columns[leaf][None, :] < radii[leaf] ** 2)
        shown[seen] = leaf
        free &= ~seen
    fine = colours[shown].transpose(2, 0, 1)
    return _standard(fine.reshape(3, side, _FINE, side, _FINE).mean((2, 4)))


def fractal(seed: int, index: int, side: int) -> np.ndarray:
    """The attractor of a random system of contractions in one colour on another (FractalDB, arXiv:2101.08515).

    The maps are made of two rotations and a scaling below 1 on each axis (arXiv:2110.03091, section 3.2), so that each
    of them contracts. How often its points are visited is the brightness, on a logarithmic scale.
    """
    rng = _rng(seed, index)
    count = int(rng.integers(*_MAPS))
    first, second = (_rotations(rng.uniform(0, 2 * np.pi, count)) for _ in range(2))
    scales = rng.uniform(0.3, 0.9, (count, 2)) * rng.choice([-1.0, 1.0], (count, 2))
    maps = first @ (scales[:, :, None] * second)
    shifts = rng.uniform(-1, 1, (count, 2))
    share = np.abs(scales.prod(1)) + 0.05
    picks = rng.choice(count, (_STEPS, _WALKERS), p=share / share.sum())
    points, walked = rng.uniform(-1, 1, (_WALKERS, 2)), []
    for step, pick in enumerate(picks):
        points = np.einsum("wij,wj->wi", maps[pick], points) + shifts[pick]
        if step >= _SETTLING:
            walked.append(points)
    visited = np.concatenate(walked)
    low, high = np.percentile(visited, 1, axis=0), np.percentile(visited, 99, axis=0)
    place = (visited - low) / np.maximum(high - low, 1e-6) * 0.9 + 0.05
    density, _, _ = np.histogram2d(place[:, 0], place[:, 1], bins=side, range=((0, 1), (0, 1)))
    light = np.log1p(density * (side / 32) ** 2)  # a pixel of half the side has a quarter of the points
    light /= max(light.max(), 1e-6)
    hue = rng.random()
    ink = _colour(hue, rng.uniform(0.3, 1), rng.uniform(0.7, 1))
    ground = _colour(hue + rng.uniform(0.2, 0.8), rng.uniform(0.3, 1), rng.uniform(0, 0.4))
    return _standard(ground[:, None, None] + (ink - ground)[:, None, None] * light[None])


def gaussian_class_image(seed: int, index: int, side: int) -> np.ndarray:
    """An image of one of ten classes in turn: the smooth random mean of the class, and independent noise on it."""
    mean = torch.from_numpy(np.random.default_rng([seed, CLASSES, index % CLASSES]).standard_normal((3, _GRID, _GRID)))
    smooth = torch.nn.functional.interpolate(mean[None], (side, side), mode="bicubic", align_corners=False)[0].numpy()
    within = _rng(seed, index).standard_normal((3, side, side))
    return _standard(smooth) * np.sqrt(1 - _WITHIN**2) + _WITHIN * within


def _each(image: Callable[[int, int, int], np.ndarray]) -> Callable[[int, int, int], np.ndarray]:
    """Of a function of a seed, an image's number and the side in pixels: one that gives so many images."""

    def several(seed: int, count: int, side: int) -> np.ndarray:
        drawn = [image(seed, index, side) for index in range(count)]
        return np.stack(drawn) if drawn else np.empty((0, 3, side, side))

    return several


#: Every kind by its name in `--inputs`: ``draw(seed, how many, side in pixels)``.
KINDS: Mapping[str, Callable[[int, int, int], np.ndarray]] = {
    "noise": noise,
    "dead-leaves": _each(dead_leaf_image),
    "fractals": _each(fractal),
    "gaussian-classes": _each(gaussian_class_image),
}


def images(kind: str, count: int, resolution: int, seed: int) -> torch.Tensor:
    """Generated images: float32 (count, 3, resolution, resolution), on the CPU, mean 0 and deviation 1.

    Args:
        kind: of `KINDS`.
        count: how many.
        resolution: height and width in pixels.
        seed: another one gives other images.
    """
    return torch.from_numpy(KINDS[kind](seed, count, resolution).astype(np.float32))


def _rng(seed: int, index: int) -> np.random.Generator:
    return np.random.default_rng([seed, index])


def _rotations(angles: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)


def _standard(image: np.ndarray) -> np.ndarray:
    """An image with mean 0 and deviation 1 over all its numbers: colours keep their relation."""
    return (image - image.mean()) / max(float(image.std()), 1e-3)


def _colour(hue: float, saturation: float, brightness: float) -> np.ndarray:
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, brightness))

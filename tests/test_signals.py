"""Signals have the values that method and paper give them, from their seed alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from naslib_gennas.regression import signals

SHAPE = {"images": 3, "channels": 20, "size": (8, 8)}
FREQUENCIES = (0.1, 0.25, 0.45)


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def make(basis, seed=0, local=True):
    inputs = torch.randn(3, 3, 32, 32, generator=draws(9))
    if basis == "resize":
        return signals.resize(inputs, 20, (8, 8), draws(seed))
    if basis == "zero":
        return signals.zero(**SHAPE)
    argument = FREQUENCIES if basis.startswith("sin") else 0.5
    return getattr(signals, basis)(argument, **SHAPE, generator=draws(seed), local=local)


@pytest.mark.parametrize("basis", signals.BASES)
def test_maps_have_shape_and_range_and_come_from_the_seed_alone(basis):
    state = torch.get_rng_state()
    maps = make(basis)
    assert maps.shape == (3, 20, 8, 8) and maps.dtype == torch.float32
    assert float(maps.abs().max()) <= 1 + 1e-6
    assert torch.equal(maps, make(basis))
    assert basis == "zero" or not torch.equal(maps, make(basis, seed=1))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("basis", ["sin1d", "sin2d", "dot", "gdot"])
def test_local_targets_differ_between_images_and_global_ones_do_not(basis):
    local, shared = make(basis), make(basis, local=False)
    assert not torch.equal(local[0], local[1])
    assert torch.equal(shared[0], shared[1]) and shared.shape == local.shape


def test_sin1d_is_a_wave_along_one_axis_with_one_of_the_frequencies():
    maps = make("sin1d").double()
    pixel = torch.arange(1, 9, dtype=torch.float64)
    axes = set()
    for map_ in maps.reshape(-1, 8, 8):
        along_y = torch.allclose(map_, map_[:, :1].expand(8, 8), atol=1e-6)
        axes.add(along_y)
        wave = map_[:, 0] if along_y else map_[0]
        fits = []
        for f in FREQUENCIES:
            basis = torch.stack([torch.sin(2 * math.pi * f * pixel), torch.cos(2 * math.pi * f * pixel)], 1)
            solution = torch.linalg.lstsq(basis, wave[:, None]).solution
            fits.append((float((basis @ solution - wave[:, None]).abs().max()), float(solution.norm())))
        residual, amplitude = min(fits)
        assert residual < 1e-5 and amplitude == pytest.approx(1, abs=1e-4)
    assert axes == {True, False}


def test_sin2d_is_a_plane_wave():
    pixel = np.arange(1, 9)
    y, x = np.meshgrid(pixel, pixel, indexing="ij")
    for map_ in make("sin2d").double().numpy().reshape(-1, 8, 8)[:20]:
        best = math.inf
        for f1 in FREQUENCIES:
            for f2 in FREQUENCIES:
                for flipped in (y, 9 - y):
                    angle = 2 * math.pi * (f1 * flipped + f2 * x)
                    basis = np.stack([np.sin(angle).ravel(), np.cos(angle).ravel()], 1)
                    best = min(best, np.linalg.lstsq(basis, map_.ravel(), rcond=None)[1].sum())
        assert best < 1e-8


@given(st.floats(0, 1), st.integers(2, 12), st.integers(2, 12), st.integers(0, 99))
@example(0.3, 9, 10, 0)  # 0.3 * 9 * 10 is a little less than 0.3 * 90
@settings(max_examples=30, deadline=None)
def test_dots_set_that_part_of_the_pixels_to_plus_or_minus_one(fraction, height, width, seed):
    maps = signals.dot(fraction, 2, 5, (height, width), draws(seed))
    assert set(maps.unique().tolist()) <= {-1.0, 0.0, 1.0}
    assert torch.equal((maps != 0).sum((2, 3)), torch.full((2, 5), int(fraction * (height * width))))


def test_gaussian_dots_are_smoothed_dots_scaled_to_one():
    from scipy.ndimage import gaussian_filter

    dots = signals.dot(0.5, 2, 4, (8, 8), draws())
    smooth = signals.gdot(0.5, 2, 4, (8, 8), draws())
    for dot, found in zip(dots.reshape(-1, 8, 8), smooth.reshape(-1, 8, 8)):
        expected = gaussian_filter(dot.numpy(), 1)
        assert np.allclose(found.numpy(), expected / np.abs(expected).max(), atol=1e-5)


def test_resized_images_span_the_range_and_show_their_own_image():
    inputs = torch.rand(3, 3, 32, 32, generator=draws(1)) * 7 - 2
    maps = signals.resize(inputs, 30, (8, 8), draws())
    small = torch.nn.functional.interpolate(inputs, (8, 8))
    assert float(maps.min()) >= -1 and float(maps.max()) <= 1
    for image in range(3):
        for map_ in maps[image]:
            agreement = [float(torch.corrcoef(torch.stack([map_.ravel(), c.ravel()]))[0, 1]) for c in small[image]]
            assert max(agreement) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("basis", ["sin1d", "sin2d"])
def test_in_one_dimension_every_wave_has_one_of_the_frequencies(basis):
    waves = getattr(signals, basis)(FREQUENCIES, 3, 40, (24,), draws()).double()
    assert waves.shape == (3, 40, 24)
    pixel = torch.arange(1, 25, dtype=torch.float64)
    seen = set()
    for wave in waves.reshape(-1, 24):
        fits = {}
        for f in FREQUENCIES:
            pair = torch.stack([torch.sin(2 * math.pi * f * pixel), torch.cos(2 * math.pi * f * pixel)], 1)
            fits[f] = float((pair @ torch.linalg.lstsq(pair, wave[:, None]).solution - wave[:, None]).abs().max())
        best = min(fits, key=fits.get)
        assert fits[best] < 1e-4
        seen.add(best)
    assert seen == set(FREQUENCIES)


def test_in_one_dimension_dots_and_images_are_what_they_are_in_two():
    from scipy.ndimage import gaussian_filter1d

    dots, smooth = (getattr(signals, basis)(0.5, 2, 4, (16,), draws()) for basis in ("dot", "gdot"))
    assert torch.equal((dots != 0).sum(2), torch.full((2, 4), 8))
    expected = gaussian_filter1d(dots.numpy(), 1)
    assert np.allclose(smooth.numpy(), expected / np.abs(expected).max(2, keepdims=True), atol=1e-5)
    rows = torch.rand(3, 3, 32, 32, generator=draws(1))
    maps = signals.resize(rows, 5, (8,), draws())
    assert maps.shape == (3, 5, 8)
    small = rows.flatten(1, 2)[:, :, ::4]  # nearest: every fourth column
    for image in range(3):
        agreement = torch.corrcoef(torch.cat([maps[image], small[image]]))[:5, 5:]
        assert torch.allclose(agreement.amax(1), torch.ones(5), atol=1e-4)

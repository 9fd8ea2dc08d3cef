"""Generated input images: any number, at any size, from a seed, normalised; their numbers are their identity."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from naslib_gennas.errors import InputError
from naslib_gennas.regression import batches, generated
from naslib_gennas.scoring.scorer import Scorer

KINDS = st.sampled_from(sorted(generated.KINDS))


@settings(max_examples=20, deadline=None)
@given(kind=KINDS, count=st.integers(1, 6), side=st.integers(8, 40), seed=st.integers(0, 2**40))
def test_images_have_their_shape_are_finite_normalised_and_depend_on_the_seed_alone(kind, count, side, seed):
    images = generated.images(kind, count, side, seed)
    assert images.shape == (count, 3, side, side) and images.dtype == torch.float32
    assert bool(torch.isfinite(images).all())
    assert abs(float(images.mean())) < 0.35 and 0.7 < float(images.std()) < 1.3
    assert torch.equal(images, generated.images(kind, count, side, seed))
    assert not torch.equal(images, generated.images(kind, count, side, seed + 1))
    assert torch.equal(images[:1], generated.images(kind, 1, side, seed))


@pytest.mark.parametrize("kind", sorted(set(generated.KINDS) - {"noise"}))
def test_another_resolution_shows_the_same_image_and_no_two_images_are_alike(kind):
    large, small = generated.images(kind, 6, 32, 0), generated.images(kind, 6, 16, 0)
    shrunk = torch.nn.functional.avg_pool2d(large, 2)

    def alike(first: torch.Tensor, second: torch.Tensor) -> float:
        return float(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1])

    for index in range(6):
        others = [alike(shrunk[index], small[other]) for other in range(6) if other != index]
        assert alike(shrunk[index], small[index]) > max(0.6, *others)


def test_classes_share_their_mean() -> None:
    images = generated.images("gaussian-classes", 40, 16, 3).flatten(1)
    alike = torch.corrcoef(images)
    same = (torch.arange(40)[:, None] - torch.arange(40)[None, :]) % 10 == 0
    own = same & ~torch.eye(40, dtype=torch.bool)
    assert float(alike[own].min()) > float(alike[~same].max())


def test_the_identity_of_a_generated_batch_is_what_was_drawn(monkeypatch) -> None:
    first = batches.get("fractals", 4, 16)
    assert first.identity.startswith("fractals:") and batches.get("fractals:0", 4, 16).identity == first.identity
    assert batches.get("fractals:1", 4, 16).identity != first.identity
    # Another code of the generator draws other images: nothing that was scored on the former ones is taken for them.
    monkeypatch.setattr(generated, "_SETTLING", 3)
    batches._load.cache_clear()
    assert batches.get("fractals", 4, 16).identity != first.identity
    batches._load.cache_clear()


def test_a_seed_of_photographs_and_of_noise() -> None:
    for name in ("photos", "noise"):
        usual, other = batches.get(name, 4, 16), batches.get(f"{name}:7", 4, 16)
        assert (usual.identity, other.identity) == (name, f"{name}:7")
        assert batches.get(f"{name}:0", 4, 16).identity == name
        assert not torch.equal(usual.tensor, other.tensor)
        assert torch.equal(batches.get(f"{name}:0", 4, 16).tensor, usual.tensor)


@pytest.mark.parametrize("name", ["noise:x", "photos:-1", "fractals:", "dead-leaves:²", "noise:" + "9" * 30])
def test_a_seed_that_is_none_is_refused(name) -> None:
    with pytest.raises(InputError, match="whole number from 0 up"):
        batches.get(name)


def test_what_is_misspelt_is_suggested() -> None:
    with pytest.raises(InputError, match="did you mean 'dead-leaves'"):
        batches.get("dead-leafs")


def test_scores_on_generated_images_differ_from_those_on_others() -> None:
    arch = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
    small = {"images": 4, "resolution": 16, "cells": 1, "channels": 4, "name": "small"}
    scores = {
        name: Scorer.of("nasbench201", "naswot", inputs=name, profile=small, workers=1).one(arch).score
        for name in batches.MADE
    }
    assert len(set(scores.values())) == len(batches.MADE)

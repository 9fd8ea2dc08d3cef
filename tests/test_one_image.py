"""Batches of one image, and classification on labelled batches beside regression."""

from __future__ import annotations

import math
import pickle
import re

import numpy as np
import pytest
import torch

from naslib_gennas import proxies, spaces
from naslib_gennas.errors import InputError
from naslib_gennas.proxies import training_cost
from naslib_gennas.regression import batches, labelled, tasks
from naslib_gennas.scoring.scorer import Scorer

ONE = {"cells": 1, "channels": 4, "images": 1, "resolution": 16, "target_size": 4, "steps": 3}
ARCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"


@pytest.mark.parametrize("name", ["nasbench201", "nds-resnet", "transnas-micro"])
def test_a_network_is_scored_on_one_image(name) -> None:
    space = spaces.get(name)
    arch = ARCH if name == "nasbench201" else space.sample(np.random.default_rng(1))
    record = Scorer.of(space, "gennas-combo", profile=ONE, workers=1).one(arch)
    assert record.status in ("ok", "untrainable") and (record.status != "ok" or math.isfinite(record.score))


def test_a_task_may_have_a_batch_of_one_image_but_not_of_one_sequence() -> None:
    text = tasks.dump(tasks.get("combo"))
    assert tasks.parse(text.replace("batch_size: 16", "batch_size: 1"), "one").batch_size == 1
    sequences = re.sub(r"batch_size: \d+", "batch_size: 1", tasks.dump(tasks.get("nlp-combo")))
    with pytest.raises(InputError, match="batch_size"):
        tasks.parse(sequences, "one")


@pytest.mark.parametrize("name", ["zico", "naswot", "jacob_cov", "ntk_cond", "swap", "swap-cell", "gennas-plus"])
def test_a_proxy_that_compares_images_refuses_one(name) -> None:
    with pytest.raises(InputError, match=f"proxy '{name}' compares images: it takes at least 2"):
        Scorer.of("nasbench201", name, profile=ONE, workers=1)


def test_a_batch_norm_of_one_value_is_refused_in_a_line() -> None:
    scorer = Scorer.of("transnas-micro", "gennas-combo", profile={**ONE, "resolution": 8}, workers=1)
    with pytest.raises(InputError, match="a BatchNorm of the network sees a single value per channel"):
        scorer.one("64-41414-3_33_333")


def test_classification_learns_the_labels_of_the_batch() -> None:
    profile = {**ONE, "images": 4, "steps": 16}
    scorer = Scorer.of("nasbench201", "classification", profile=profile, workers=1)
    first, last = scorer.one(ARCH), scorer.at(profile={**profile, "steps": 4}).one(ARCH)
    assert 0 > first.score > last.score
    trace = first.details["trace"]
    assert trace[0] == pytest.approx(math.log(10), rel=0.5) and trace[-1] < 0.5 * trace[0]
    with pytest.raises(InputError, match="input batch 'noise' has no labels; photos"):
        Scorer.of("nasbench201", "classification", profile=profile, inputs="noise", workers=1).one(ARCH)


def test_labels_are_those_of_the_images(tmp_path) -> None:
    assert labelled.labels("photos", 6).tolist() == [0, 1, 2, 3, 0, 1]
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3072), dtype=np.uint8)
    for key in ("labels", "fine_labels"):
        (tmp_path / "data_batch_1").write_bytes(pickle.dumps({"data": pixels, key: [3, 1, 4, 1, 5]}))
        found = labelled.labels(f"cifar:{tmp_path}", 4)
        assert found.dtype == torch.int64 and found.tolist() == [3, 1, 4, 1]
        assert len(batches.load(f"cifar:{tmp_path}", 4)) == 4
    for content in ({"data": pixels}, {"data": pixels, "labels": [1]}, {"labels": "abcde"}, [1], {"labels": 5}):
        (tmp_path / "data_batch_1").write_bytes(pickle.dumps(content))
        with pytest.raises(InputError, match="has no labels of 4 images"):
            labelled.labels(f"cifar:{tmp_path}", 4)


def test_initialisation_reaches_the_heads() -> None:
    """NAS-Bench-201 has no biases but those of the heads and of the classifier, which the regression leaves alone."""
    ways = ("as is", "zero bias", "kaiming", "kaiming weights", "xavier", "xavier weights")
    profile = {**ONE, "images": 2}
    scores = [Scorer.of("nasbench201", "gennas-combo", profile=profile, initialise=way).one(ARCH).score for way in ways]
    assert len(set(scores)) == len(ways)


def test_the_cost_of_a_step_is_recorded_and_a_refusal_stays_one() -> None:
    made = training_cost.of(proxies.get("gennas-combo", {**ONE, "images": 4}))
    record = Scorer.of("nasbench201", made, workers=1).one(ARCH)
    assert record.status == "ok" and record.score == -record.details["seconds"] < 0
    assert record.details["megabytes"] >= 0

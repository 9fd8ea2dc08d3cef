"""RLNAS on spaces of layers: weights shared by name and shape, the angle by hand, what cannot be scored."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from naslib_gennas.errors import InputError
from naslib_gennas.proxies import path_supernet
from naslib_gennas.regression import batches
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.spaces import from_function

SMALL = Profile(name="small", images=8, resolution=8, steps=12)


@pytest.fixture(autouse=True)
def _own_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Layers(nn.Module):
    def __init__(self, kernels: Any) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU())
        layers = [nn.Conv2d(4, 4, kernel, 1, kernel // 2) if kernel else nn.Identity() for kernel in kernels]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(4, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.layers(self.stem(x)).relu().mean((2, 3)))


def layered(choose: Any) -> nn.Module:
    return Layers([choose.suggest_categorical(f"layer {place}", [0, 1, 3]) for place in range(2)])


@pytest.fixture(scope="module")
def space() -> Any:
    return from_function(layered)


def arch(space: Any, *kernels: int) -> Any:
    return space.parse({f"layer {place}": kernel for place, kernel in enumerate(kernels)})


def test_weights_are_shared_by_name_and_shape_and_trained(space: Any) -> None:
    inputs = batches.load("noise", 8, 8)
    before, after, networks = path_supernet._train(space, SMALL, inputs, 0).values()
    options = {f"layers.{place}.weight (4, 4, {kernel}, {kernel})" for place in (0, 1) for kernel in (1, 3)}
    assert options < set(before) and set(before) == set(after)
    assert not any(torch.equal(before[key], after[key]) for key in options)
    every = networks[path_supernet._ALL]
    assert every == 12 and networks["stem.0.weight (4, 3, 3, 3)"] == every
    assert all(0 < networks[key] < every for key in options)
    again = path_supernet._train(space, SMALL, inputs, 0)
    assert all(torch.equal(after[key], again["after"][key]) for key in after)


def test_the_angle_by_hand(space: Any) -> None:
    one, three = "layers.0.weight (4, 4, 1, 1)", "layers.1.weight (4, 4, 3, 3)"
    parameters = path_supernet._parameters(path_supernet._network(space, arch(space, 1, 3), 0))
    before = {key: torch.ones(parameter.shape) for key, (_, _, parameter) in parameters.items()}
    after = {key: value.clone() for key, value in before.items()}
    after[one] = -after[one]
    after["classifier.weight (10, 4)"] = -after["classifier.weight (10, 4)"]
    networks = dict.fromkeys(before, 5)
    networks.update({one: 2, three: 3, path_supernet._ALL: 5})
    # 16 entries turned around, 144 as they were; the classifier is in all networks and tells none from another.
    expected = math.acos((144 - 16) / 160)
    assert path_supernet.angle(space, arch(space, 1, 3), (before, after, networks)) == pytest.approx(expected)
    assert path_supernet.angle(space, arch(space, 0, 0), (before, after, networks)) == 0.0
    assert path_supernet.angle(space, arch(space, 3, 3), (before, after, networks)) is None


def test_scores_come_from_one_training_and_say_what_was_never_trained(space: Any, tmp_path: Path) -> None:
    archs = [arch(space, *kernels) for kernels in ((1, 3), (3, 1), (0, 3), (0, 0))]
    scorer = Scorer.of(space, "rlnas", profile=SMALL, workers=1, store=tmp_path / "s.sqlite")
    found = [scorer.one(one) for one in archs]
    assert [one.status for one in found] == ["ok"] * 4 and found[3].score == 0.0
    assert len({one.score for one in found}) == 4
    assert len(list((tmp_path / "cache").rglob("path-supernets/*.lock"))) == 1
    short = Scorer.of(space, "rlnas", profile=SMALL.replace(steps=1), workers=1)
    assert {"failed", "ok"} >= {short.one(one).status for one in archs} != {"ok"}


def test_other_spaces_and_networks_without_a_classifier_are_refused_in_a_line() -> None:
    with pytest.raises(InputError, match="rlnas scores architectures of darts, nasbench201 and of spaces that a func"):
        Scorer.of("nasbench101", "rlnas", profile=SMALL, workers=1).one(
            Scorer.of("nasbench101", "params").space.notation
        )
    maps = from_function(lambda choose: nn.Conv2d(3, choose.suggest_int("width", 4, 6), 3), name="maps")
    with pytest.raises(InputError, match="no nn.Linear"):
        path_supernet._train(maps, SMALL, batches.load("noise", 8, 8), 0)

"""Our baseline proxies equal NASLib's measures on the same network, batch and labels."""

from __future__ import annotations

import copy
import math
from typing import Any, Tuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas import spaces
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.plugin import compat
from naslib_gennas.proxies.epe_nas import epe_nas
from naslib_gennas.proxies.fisher import fisher
from naslib_gennas.proxies.grad_norm import grad_norm
from naslib_gennas.proxies.gradients import random_labels
from naslib_gennas.proxies.grasp import grasp
from naslib_gennas.proxies.jacob_cov import jacob_cov
from naslib_gennas.proxies.l2_norm import l2_norm
from naslib_gennas.proxies.naswot import naswot
from naslib_gennas.proxies.plain import plain
from naslib_gennas.proxies.registry import WHOLE
from naslib_gennas.proxies.snip import snip
from naslib_gennas.proxies.synflow import synflow
from naslib_gennas.proxies.zen import zen
from naslib_gennas.randomness import derive
from naslib_gennas.regression import batches

pytestmark = pytest.mark.naslib

OURS = {
    "grad_norm": grad_norm,
    "snip": snip,
    "grasp": grasp,
    "fisher": fisher,
    "plain": plain,
    "synflow": synflow,
    "jacov": jacob_cov,
    "nwot": naswot,
    "epe_nas": epe_nas,
    "l2_norm": l2_norm,
    "zen": zen,
}
LABELLED = ("grad_norm", "snip", "grasp", "fisher", "plain", "epe_nas")


class AsNaslibSeesIt(nn.Module):
    """A network as NASLib's measures use one: forward gives class scores."""

    def __init__(self, network: StagedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network.logits(x)

    def forward_before_global_avg_pool(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)[-1]

    def get_prunable_copy(self, bn: bool) -> AsNaslibSeesIt:
        made = copy.deepcopy(self)
        if not bn:
            for name, module in list(made.named_modules()):
                if isinstance(module, nn.BatchNorm2d):
                    made.set_submodule(name, nn.Identity())
        return made


@pytest.fixture(scope="module")
def setting() -> Tuple[StagedNetwork, torch.Tensor, torch.Tensor]:
    """A NAS-Bench-101 network: its ReLUs are modules, where NASLib looks for them, and its norms keep statistics."""
    space = spaces.get("nasbench101")
    profile = WHOLE.replace(cells=1, channels=8)
    network = spaces.build(space, space.sample(np.random.default_rng(3)), profile, 0)
    batch = batches.load("photos", 32, 32)
    return network, batch, random_labels(32, 10, 0, torch.device("cpu"))


def theirs(name: str, network: StagedNetwork, batch: torch.Tensor, labels: torch.Tensor) -> float:
    measure = compat.measures().registry[name]
    value: Any = measure(AsNaslibSeesIt(network), "cpu", batch.clone(), labels, loss_fn=F.cross_entropy, split_data=1)
    return float(sum(part.sum() for part in value)) if isinstance(value, list) else float(value)


@pytest.mark.parametrize("name", OURS)
def test_our_measure_equals_naslibs(name: str, setting: Any) -> None:
    network, batch, labels = setting
    network = copy.deepcopy(network).train()
    given = {"labels": labels} if name in LABELLED else {}
    if name == "zen":
        # NASLib takes the variances from the running statistics, which hold a tenth of the batch's; with a momentum of
        # 1 they are those of the algorithm in the paper, which we compute. Both draw from the same seed.
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        with torch.random.fork_rng():
            torch.manual_seed(derive(0, "zen"))
            expected = theirs(name, network, batch, labels)
    else:
        expected = theirs(name, network, batch, labels)
    if name == "synflow":
        expected = math.log(expected)  # as NASLib's ZeroCost predictor does
    found = OURS[name](copy.deepcopy(network), batch.clone(), 0, **given)
    assert found == pytest.approx(expected, rel=1e-4)


def test_compare_runs_naslibs_measures_on_naslibs_graphs(tmp_path: Any) -> None:
    """The same ranking within what initial weights do; what NASLib has no measure for is left alone."""
    from naslib_gennas.extensions import entry_points
    from naslib_gennas.studies.comparison import RIVALS, compare

    if not entry_points(RIVALS):
        pytest.skip("naslib-gennas is not installed, merely on the import path")
    space = spaces.get("nasbench201")
    rng = np.random.default_rng(1)
    cells = [cell for cell in (space.sample(rng) for _ in range(20)) if not space.untrainable(cell)][:6]
    found = compare("nasbench201", ["params", "synflow", "l2_norm"], archs=cells, truth=None, via="naslib", workers=1)
    columns = {column.name: column for column in found.columns}
    assert list(columns) == ["params", "synflow", "l2_norm", "naslib:synflow", "naslib:l2_norm"]
    assert all(column.not_ok == {} for column in found.columns), found.columns
    ours, theirs = columns["synflow"].scores, columns["naslib:synflow"].scores
    assert np.corrcoef(ours, theirs)[0, 1] > 0.95


def test_spaces_without_networks_in_naslib_are_refused() -> None:
    from naslib_gennas.errors import InputError
    from naslib_gennas.plugin import rivals

    with pytest.raises(InputError, match="NASLib has no graphs of the architectures of nats-size"):
        rivals.measures(spaces.get("nats-size"), ["synflow"])
    assert list(rivals.measures(spaces.get("darts"), ["synflow"])) == ["naslib:synflow"]

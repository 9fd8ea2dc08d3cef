"""NASI with a price: what operations cost, what a price does to the size, and several sizes in one search."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import CliRunner

from naslib_gennas import spaces
from naslib_gennas.cli.app import app
from naslib_gennas.errors import InputError
from naslib_gennas.networks.supernet import shares
from naslib_gennas.proxies import supernet as supernets
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.studies import nasi, nasi_front
from naslib_gennas.studies.distribution import Distribution

SMALL = Profile(name="small", cells=1, channels=4, images=4, resolution=8, steps=40)


@pytest.mark.parametrize("what", nasi.RESOURCES)
def test_shares_of_operations(what: str) -> None:
    supernet = supernets.make("nasbench201", SMALL, 0)
    table = shares(supernet, what, torch.randn(2, 3, 8, 8))["cell"]
    columns = dict(zip(supernet.operations, table.T))
    assert float(columns["nor_conv_3x3"].sum()) == pytest.approx(1.0)
    assert torch.allclose(columns["nor_conv_3x3"], 9 * columns["nor_conv_1x1"])
    assert all(float(columns[name].sum()) == 0 for name in ("none", "skip_connect", "avg_pool_3x3"))


def test_shares_of_darts_add_up_over_both_kinds_of_cells() -> None:
    supernet = supernets.make("darts", SMALL, 0)
    table = shares(supernet, "params", torch.randn(2, 3, 8, 8))
    assert sum(float(rows.max(1).values.sum()) for rows in table.values()) == pytest.approx(1.0)
    convolutions = [supernet.operations.index(name) for name in ("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3")]
    assert all(float(rows[:, convolutions].min()) > 0 for rows in table.values())


def test_the_expected_cost_is_that_of_the_uniform_distribution_at_first() -> None:
    supernet = supernets.make("nasbench201", SMALL, 0)
    table = shares(supernet, "params", torch.randn(2, 3, 8, 8))
    assert float(Distribution(supernet).expected(table).detach()) == pytest.approx(float(table["cell"].mean(1).sum()))


def expected_params(found: nasi.Searched) -> float:
    supernet = supernets.make("nasbench201", SMALL, 0)
    table = shares(supernet, "params", torch.randn(2, 3, 8, 8))["cell"].numpy()
    return float((np.array(found.probabilities["cell"]) * table).sum())


def test_a_higher_price_gives_smaller_networks_and_none_changes_nothing() -> None:
    free, zero, dear = (
        nasi.search("nasbench201", profile=SMALL, price=price) for price in (None, "params:0", "params:20")
    )
    assert free.draws == zero.draws and free.probabilities == zero.probabilities
    assert expected_params(dear) < 0.6 * expected_params(free)


@pytest.mark.parametrize("price", ["params", "params:-1", "seconds:1", "params:nan", "flops:inf", "2"])
def test_a_price_that_is_none_is_refused(price: str) -> None:
    with pytest.raises(InputError, match="price is .*params:2"):
        nasi.search("nasbench201", profile=SMALL, price=price)


def test_several_sizes_are_a_front_and_the_search_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("pymoo")

    def stop(price: float, done: int, total: int) -> None:
        if price == 8.0 and done == 10:
            raise KeyboardInterrupt

    given: Any = {"profile": SMALL, "truth": None, "store": tmp_path / "s.sqlite", "prices": (0.0, 8.0)}
    with pytest.raises(KeyboardInterrupt):
        nasi_front.trade_off("nasbench201", ["score", "params"], **given, progress=stop)
    found = nasi_front.trade_off("nasbench201", ["score", "params"], **given, out=tmp_path / "run")
    assert found.resumed == 50 and len(found.history) == 2 and found.complete
    space = spaces.get("nasbench201")
    for one in found.history:
        module = space.published(space.parse(one.arch))
        assert one.values["params"] == sum(part.numel() for part in module.parameters())
    assert found.history[1].values["params"] <= found.history[0].values["params"]
    with open(tmp_path / "run" / "front.csv", newline="") as file:
        assert [row["arch"] for row in csv.DictReader(file)] == [one.arch for one in found.front]


@pytest.mark.parametrize(
    "options, message",
    [
        (["--objective", "latency"], "trades off score and one of params, flops"),
        (["--objective", "params", "--budget", "10s"], "budget"),
        (["--objective", "params", "--constraint", "params<1M"], "constraint"),
        (["--objective", "params", "--price", "params:1"], "--price"),
        (["--objective", "params", "--control"], "control"),
    ],
)
def test_what_it_cannot_honour_is_refused_in_a_line(options: Any, message: str) -> None:
    command = ["search", "nasbench201", "--method", "nasi", "--objective", "score", *options]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and message in done.stderr, done.stderr

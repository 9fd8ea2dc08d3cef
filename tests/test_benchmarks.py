"""Which ground truth there is for which search space: found in folders, given by name."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, List, Sequence

import numpy as np
import pytest

from naslib_gennas import spaces
from naslib_gennas.errors import InputError
from naslib_gennas.truth import benchmarks
from naslib_gennas.truth.benchmarks import performance


def table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def cells(space: str, count: int) -> List[str]:
    found, rng = spaces.get(space), np.random.default_rng(0)
    return list(dict.fromkeys(found.format(found.sample(rng)) for _ in range(3 * count)))[:count]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Tables of two spaces under names that say nothing, one of scores, one of something else."""
    inner = tmp_path / "more"
    inner.mkdir()
    nb201 = [(arch, i, 90 + i, 60 - i if i < 5 else "", 1.5) for i, arch in enumerate(cells("nasbench201", 8))]
    table(tmp_path / "a.csv", ["arch", "isomorphism_class", "c10_test_acc", "c100_test_acc", "params"], nb201)
    table(inner / "b.csv", ["genotype", "loss"], [(arch, i) for i, arch in enumerate(cells("darts", 6))])
    table(tmp_path / "scores.csv", ["arch", "synflow"], [(row[0], row[1]) for row in nb201])
    table(tmp_path / "cats.csv", ["arch", "weight_acc"], [("tabby", 4)])
    return tmp_path


def test_tables_of_a_folder_find_their_spaces(folder: Path) -> None:
    found, remarks = benchmarks.find(None, [folder])
    assert {one.space.name: list(one.truths) for one in found} == {
        "darts": ["loss"],
        "nasbench201": ["c10_test_acc", "c100_test_acc"],
    }
    assert not found[0].truths["loss"].higher_is_better
    assert any("scores.csv" in remark for remark in remarks) and any("cats.csv" in remark for remark in remarks)


def test_data_sets_of_a_space_share_the_architectures_that_all_of_them_have(folder: Path) -> None:
    (found,), remarks = benchmarks.find(["nasbench201"], [folder])
    assert list(found.shared.texts) == cells("nasbench201", 8)[:5]
    assert not any("b.csv" in remark for remark in remarks)  # of a space that was not asked for


def test_a_table_by_name_goes_before_the_folder(folder: Path) -> None:
    file = table(folder / "mine.csv", ["arch", "acc", "other"], [(cells("nasbench201", 1)[0], 1, 2)])
    (found,), _ = benchmarks.find(["nasbench201"], [folder], [f"nasbench201={file}:acc"])
    assert list(found.truths) == ["acc"] and found.source == "mine.csv"
    (found,), _ = benchmarks.find(["nasbench201"], [], [f"nasbench201={file}:acc", f"nasbench201={file}:other"])
    assert list(found.truths) == ["acc", "other"]


def test_the_official_files_of_nds_are_read_under_their_names(tmp_path: Path) -> None:
    space, rng = spaces.get("nds-resnet"), np.random.default_rng(0)
    nets = [json.loads(space.format(space.sample(rng))) for _ in range(4)]
    records = [{"net": net, "test_ep_top1": [50.0, 10.0 + i]} for i, net in enumerate(nets)]
    (tmp_path / "ResNet.json").write_text(json.dumps(records))
    (found,), _ = benchmarks.find(["nds-resnet"], [tmp_path])
    assert list(found.truths) == ["test_acc"]
    assert sorted(found.shared.texts.values()) == [87, 88, 89, 90]


@pytest.mark.parametrize(
    "columns, expected",
    [
        (["arch_id", "train_time", "acc"], ["acc"]),
        (["valid_acc", "test_acc"], ["test_acc"]),
        (["c10_valid_acc", "c100_test_acc"], ["c10_valid_acc", "c100_test_acc"]),
        (["test_acc", "best_test_acc"], ["test_acc"]),
        (["class_object", "autoencoder", "segmentsemantic"], ["class_object", "autoencoder", "segmentsemantic"]),
    ],
)
def test_columns_that_say_something_else_are_no_performance(columns: List[str], expected: List[str]) -> None:
    assert performance(columns) == expected


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((["nasbench201"], ["nowhere"]), "nowhere': no such folder"),
        ((["darts"],), "no ground truth for darts"),
        ((["darts"], [], ["nasbench201=x.csv"]), "'nasbench201=x.csv' has no use here: the search spaces are darts"),
        ((["nasbench201"], [], ["x.csv"]), "'x.csv' is not SPACE=FILE"),
        ((["nasbench2O1"],), "did you mean 'nasbench201'"),
    ],
)
def test_what_cannot_be_found_is_said(arguments: Any, message: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))  # nothing is installed there
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        benchmarks.find(*arguments)

"""Ground truth from every kind of file, matched by what architectures compute."""

from __future__ import annotations

import gzip
import itertools
import json
import pickle

import numpy as np
import pytest

from naslib_gennas import spaces, truth
from naslib_gennas.errors import InputError

SPACE = spaces.get("nasbench201")
A = "|skip_connect~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|none~0|none~1|skip_connect~2|"
# The same network: node 1 is node 0, so that its edge to node 2 may change places with that of node 0.
A_ISOMORPHIC = "|skip_connect~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|"
B = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
C = "|none~0|+|none~0|none~1|+|avg_pool_3x3~0|none~1|none~2|"


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_isomorphic_architectures_match_and_their_own_row_comes_first(tmp_path):
    table = truth.load(write(tmp_path / "t.csv", f"arch,accuracy\n{A},90\n{B},80\n"), SPACE)
    assert table.of(SPACE, SPACE.parse(A_ISOMORPHIC)) == 90
    assert table.of(SPACE, SPACE.parse(C)) is None
    both = truth.load(write(tmp_path / "u.csv", f"arch,accuracy\n{A},90\n{A_ISOMORPHIC},92\n"), SPACE)
    assert both.of(SPACE, SPACE.parse(A)) == 90 and both.of(SPACE, SPACE.parse(A_ISOMORPHIC)) == 92
    assert list(both.keys.values()) == [91]


@pytest.mark.parametrize(
    ("column", "higher"), [("accuracy", True), ("val_loss", False), ("error", False), ("loss_free_score", True)]
)
def test_the_direction_is_in_the_columns_name_unless_said_otherwise(tmp_path, column, higher):
    path = write(tmp_path / "t.csv", f"arch,{column}\n{A},1\n{B},2\n")
    assert truth.load(path, SPACE).higher_is_better is higher
    assert truth.load(path, SPACE, higher_is_better=not higher).higher_is_better is not higher
    table = truth.load(path, SPACE)
    assert table.best == (2 if higher else 1)
    assert table.better(2) > table.better(1) if higher else table.better(1) > table.better(2)


def test_json_with_rows_sets_and_columns(tmp_path):
    rows = [{"arch": A, "acc": 1, "params": 5}, {"arch": B, "acc": None}]
    path = write(tmp_path / "rows.json", json.dumps(rows))
    table = truth.load(path, SPACE)
    assert table.column == "acc" and len(table.texts) == 1 and table.skipped == 1
    sets = {"columns": ["arch", "acc"], "first": [[A, 1], [B, 2]], "second": [[C, 3]]}
    path = tmp_path / "sets.json.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        json.dump(sets, file)
    assert len(truth.load(path, SPACE).texts) == 3
    assert len(truth.load(f"{path}:first", SPACE).texts) == 2
    assert truth.load(f"{path}:second.acc", SPACE).name == "sets.json.gz:second.acc"


def test_data_sets_of_one_table_are_not_mixed(tmp_path):
    path = write(tmp_path / "t.csv", f"dataset,arch,accuracy\nx,{A},1\nx,{B},2\ny,{A},3\ny,{B},4\n")
    assert set(truth.load(path, SPACE).texts.values()) == {1, 2}
    assert set(truth.load(f"{path}:y.accuracy", SPACE).texts.values()) == {3, 4}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cell,accuracy\nx,1\n", "no column 'arch'"),
        (f"arch,p,q\n{A},1,2\n", "choose a column"),
        (f"arch,accuracy\n{A[:9]},1\n", "no architecture of nasbench201"),
        ("arch,accuracy\n", "no rows"),
    ],
)
def test_a_table_that_does_not_serve_says_why(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        truth.load(write(tmp_path / "t.csv", content), SPACE)


def test_names_and_files_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        truth.load(tmp_path / "absent.csv", SPACE)
    with pytest.raises(InputError, match="did you mean 'accuracy'"):
        truth.load(f"{write(tmp_path / 't.csv', f'arch,accuracy{chr(10)}{A},1')}:acuracy", SPACE)
    with pytest.raises(InputError, match="is for nasbench201"):
        truth.load("analog-nasbench", spaces.get("nasbench101"))


def test_analog_nasbench_holds_the_whole_space_in_the_right_order(shared):
    if not truth.installed(SPACE):
        pytest.skip("the extra demo is not installed")
    table = truth.load("analog-nasbench", SPACE)
    assert table.complete and len(table.texts) == 15625 and table.best == pytest.approx(94.07, abs=0.01)
    official = truth.load(shared / "benchmarks" / "nasbench201.csv", SPACE)
    from naslib_gennas.truth.metrics import spearman

    # Another order of operations or edges would give next to nothing.
    assert spearman([table.texts[arch] for arch in official.texts], list(official.texts.values())).value > 0.98


def test_the_development_tables_are_read_as_they_are(shared):
    folder = shared / "benchmarks"
    table = truth.load(folder / "nasbench201.csv", SPACE)
    assert (table.column, len(table.texts)) == ("cifar10_test_acc", 2000)
    assert truth.load(f"{folder / 'nasbench201.csv'}:cifar100_valid_acc", SPACE).column == "cifar100_valid_acc"
    proxies = truth.load(f"{folder / 'nasbench201_published_proxies.csv'}:cifar10.naswot", SPACE)
    assert proxies.texts[next(iter(table.texts))] == 736.07178
    space = spaces.get("nasbench101")
    for spec, size, best in (
        ("gennas_500.cifar10_test_acc", 500, 93.6632),
        ("gennas_500.imagenet_acc", 500, 65.794),
        ("task_search_20", 20, None),
    ):
        table = truth.load(f"{folder / 'nasbench101.json'}:{spec}", space)
        assert len(table.keys) == size
        assert best is None or table.best == pytest.approx(best)


@pytest.mark.parametrize(
    ("name", "spec", "column", "size", "higher"),
    [
        ("darts", "darts.csv", "cifar10_valid_acc", 500, True),
        ("nasbenchnlp", "nasbench_nlp.json.gz", "ptb_test_loss", 1000, False),
        ("transnas-micro", "transnas101_micro.csv", "class_scene", 1000, True),
        ("transnas-macro", "transnas101_macro.csv:room_layout", "room_layout", 800, True),
    ],
)
def test_the_tables_of_the_other_spaces_too(shared, name, spec, column, size, higher):
    table = truth.load(shared / "benchmarks" / spec, spaces.get(name))
    assert (table.column, len(table.texts), table.skipped) == (column, size, 0)
    assert table.higher_is_better is higher


def test_naslibs_nasbench201_pickle(tmp_path):
    content = {
        A: {"cifar10-valid": {"eval_acc1es": [10.0, 50.0], "train_losses": [2.0, 1.0], "cost_info": {"flops": 1.0}}},
        B: {"cifar10-valid": {"eval_acc1es": [10.0, 40.0], "train_losses": [2.0, 1.5], "cost_info": {"flops": 2.0}}},
    }
    path = tmp_path / "nb201_cifar10_full_training.pickle"
    path.write_bytes(pickle.dumps(content))
    assert truth.load(path, SPACE).texts == {A: 50.0, B: 40.0}
    losses = truth.load(f"{path}:train_losses", SPACE)
    assert losses.texts == {A: 1.0, B: 1.5} and not losses.higher_is_better


def test_naslibs_nasbench101_pickle(tmp_path):
    space = spaces.get("nasbench101")
    arch = space.sample(np.random.default_rng(0))
    fixed = {
        "module_adjacency": np.array(arch.matrix, dtype=np.int8),
        "module_operations": list(arch.ops),
        "trainable_parameters": 123,
    }
    runs = [{"final_test_accuracy": x, "final_validation_accuracy": x - 0.1} for x in (0.9, 0.92, 0.94)]
    path = tmp_path / "nasbench_only108.pkl"
    path.write_bytes(pickle.dumps({space.key(arch): (fixed, {108: runs})}))
    assert truth.load(path, space).of(space, arch) == pytest.approx(92)
    assert truth.load(f"{path}:final_validation_accuracy", space).of(space, arch) == pytest.approx(82)
    assert truth.load(f"{path}:trainable_parameters", space).of(space, arch) == 123
    with pytest.raises(InputError, match="no column 'x'"):
        truth.load(f"{path}:x", space)
    path.write_bytes(pickle.dumps({"another hash": (fixed, {108: runs})}))
    with pytest.raises(InputError, match="module hash"):
        truth.load(path, space)


def test_a_pickle_cannot_run_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return print, ("run",)

    path = tmp_path / "nb201_cifar10_full_training.pickle"
    path.write_bytes(pickle.dumps({A: Trap()}))
    with pytest.raises(InputError, match="print"):
        truth.load(path, SPACE)


def test_the_official_file_through_its_package(tmp_path):
    api = pytest.importorskip("nas_201_api", reason="the extra nasbench201 is not installed")
    import torch
    from nas_201_api.api_utils import ResultsCount

    def results(index, arch, shift):
        made = api.ArchResults(index, arch)
        parts = {"cifar10-valid": ["x-valid"], "cifar10": ["ori-test"], "cifar100": ["x-valid", "x-test", "ori-test"]}
        for (dataset, names), seed in itertools.product(parts.items(), (777, 888)):
            curve = {epoch: 50.0 + epoch + shift + (seed == 888) for epoch in range(2)}
            made_result = ResultsCount(dataset, None, curve, curve, 1.0, 2.0, {"C": 16}, seed, 2, None)
            made_result.update_train_info(curve, curve, curve, curve)
            for name in names:
                keys = {f"{name}@{epoch}": value for epoch, value in curve.items()}
                made_result.update_eval(keys, keys, keys)
            made.update(dataset, seed, made_result)
        return made.state_dict()

    infos = {i: {"less": results(i, arch, 0), "full": results(i, arch, 10 * i)} for i, arch in enumerate((A, B))}
    path = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    torch.save({"meta_archs": [A, B], "arch2infos": infos, "evaluated_indexes": [0, 1]}, path)
    assert truth.load(path, SPACE).texts == {A: pytest.approx(51.5), B: pytest.approx(61.5)}
    assert truth.load(f"{path}:cifar100_valid_acc", SPACE).texts[B] == pytest.approx(61.5)
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="not the official NAS-Bench-201 file"):
        truth.load(path, SPACE)

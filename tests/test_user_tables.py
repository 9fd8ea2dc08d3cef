"""Tables as programs and spreadsheets write them read as the same truth; what has two meanings is never guessed."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import pickle
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naslib_gennas import spaces, truth
from naslib_gennas.errors import InputError
from naslib_gennas.studies.ranking import read_architectures
from naslib_gennas.truth import direction, labels, sampling, user_tables

SPACE = spaces.get("nasbench201")
ARCHS = [SPACE.format(arch) for arch in sampling.draw(SPACE, 12, 0)]
#: Architectures whose notation holds commas, quotes and brackets.
DARTS = spaces.get("darts")
GENOTYPES = [DARTS.format(arch) for arch in sampling.draw(DARTS, 6, 0)]


def table(path, header, rows, end="\n"):
    path.write_bytes(end.join([header, *(",".join(map(str, row)) for row in rows)]).encode())
    return path


# ------------------------------------------------------------------------------------------------------------- dialects

numbers = st.lists(st.integers(-(10**6), 10**6).map(lambda n: n / 1000), min_size=2, max_size=12)


@given(
    values=numbers,
    separator=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    decimal=st.sampled_from(".,"),
    names=st.sampled_from([("arch", "val/acc"), ("Architecture", "Ünits of: acc"), (" genotype ", "test acc")]),
    space=st.sampled_from([SPACE, DARTS]),
    packed=st.booleans(),
    told=st.booleans(),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_dialect_reads_as_the_same_truth(
    tmp_path, values, separator, end, encoding, decimal, names, space, packed, told
):
    archs = (ARCHS if space is SPACE else GENOTYPES)[: len(values)]
    values = values[: len(archs)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=end)
    writer.writerow(names)
    # One more digit than thousands have: elsewhere than in a table of semicolons, 93,456 has two meanings.
    writer.writerows((arch, f"{value:.4f}".replace(".", decimal)) for arch, value in zip(archs, values))
    content = (f"sep={separator}{end}" * told + text.getvalue()).encode(encoding)
    path = tmp_path / ("t.csv.gz" if packed else "t.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    found = truth.load(f"{path}:{names[1]}", space)
    assert dict(found.texts) == dict(zip(archs, values))
    assert (found.column, found.skipped, found.remarks) == (names[1], 0, ())
    assert truth.load(path, space).texts == found.texts  # the only column
    assert [space.format(arch) for arch in read_architectures(path, space)] == archs


@pytest.mark.parametrize(
    ("separator", "cells", "expected"),
    [
        (";", ["93,5", "94,25"], [93.5, 94.25]),
        (";", ["93,456", "94,123"], [93.456, 94.123]),
        (";", ["1.234,5", "2.000"], [1234.5, 2000.0]),
        (",", ['"0,912"', '"0,93"'], [0.912, 0.93]),
        ("\t", ["93,456", "94,1"], [93.456, 94.1]),
        ("\t", ["1,234", "93.5"], [1234.0, 93.5]),
        (",", ['"1,234.5"', "2"], [1234.5, 2.0]),
        (",", ["93.5%", "94 %"], [93.5, 94.0]),
        (",", ["1e-3", "+2."], [0.001, 2.0]),
    ],
)
def test_numbers_with_one_meaning_are_read(tmp_path, separator, cells, expected):
    path = table(tmp_path / "t.csv", f"arch{separator}x", [[f"{a}{separator}{c}"] for a, c in zip(ARCHS, cells)])
    assert list(truth.load(path, SPACE).texts.values()) == expected


@pytest.mark.parametrize(
    "cells", [["1,234", "2,345"], ["93,456"], ["93.5", "94,25"], ["1_000"], ["0x10"], ["9" * 5000], ["True"]]
)
def test_numbers_with_two_meanings_are_none(tmp_path, cells):
    path = table(tmp_path / "t.tsv", "arch\tx\ty", [[f"{a}\t{c}\t1"] for a, c in zip(ARCHS, cells)])
    clear = [float(cell) for cell in cells if cell == "93.5"]
    if clear:
        found = truth.load(f"{path}:x", SPACE)
        assert list(found.texts.values()) == clear and "1 of 2 rows are no numbers" in found.remarks[0]
    else:
        with pytest.raises(InputError, match="column 'x' holds no numbers"):
            truth.load(f"{path}:x", SPACE)
    assert set(truth.load(f"{path}:y", SPACE).texts.values()) == {1.0}


def test_a_byte_order_mark_is_no_part_of_an_architecture_or_a_column(tmp_path):
    lines = tmp_path / "l.txt"
    lines.write_bytes("\r\n".join(ARCHS).encode("utf-8-sig"))
    assert [SPACE.format(arch) for arch in read_architectures(lines, SPACE)] == ARCHS
    listed = tmp_path / "l.json"
    listed.write_bytes(json.dumps(ARCHS).encode("utf-8-sig"))
    assert [SPACE.format(arch) for arch in read_architectures(listed, SPACE)] == ARCHS
    rows = tmp_path / "t.json"
    rows.write_bytes(json.dumps([{"arch": ARCHS[0], "acc": 1}]).encode("utf-8-sig"))
    assert list(truth.load(rows, SPACE).texts.values()) == [1]


# ------------------------------------------------------------------------------------------------- files and columns


def test_columns_with_slashes_and_colons_are_reached(tmp_path, monkeypatch):
    path = table(tmp_path / "t.csv", "arch,val/acc,test/acc,a:b", [(ARCHS[0], 90, 80, 70), (ARCHS[1], 91, 81, 71)])
    for column, best in (("val/acc", 91), ("test/acc", 81), ("a:b", 71)):
        found = truth.load(f"{path}:{column}", SPACE)
        assert (found.column, found.best) == (column, best)
    with pytest.raises(InputError, match=r"t\.csv:COLUMN; it has val/acc, test/acc, a:b"):
        truth.load(path, SPACE)
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "C:\\runs.csv", "arch,acc,val/acc", [(ARCHS[0], 1, 2)])
    assert truth.split("C:\\runs.csv:val/acc") == ("C:\\runs.csv", "val/acc")
    assert truth.load("C:\\runs.csv:acc", SPACE).best == 1


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("C:\\absent.csv:acc", ("C:\\absent.csv", "acc")),
        ("C:\\absent.csv", ("C:\\absent.csv", "")),
        ("absent.csv:val/acc", ("absent.csv", "val/acc")),
        ("a:b/absent.json.gz:x:y", ("a:b/absent.json.gz", "x:y")),
        ("analog-nasbench:accuracy", ("analog-nasbench", "accuracy")),
        ("name:column", ("name", "column")),
        ("x" * 5000, ("x" * 5000, "")),
        ("a\0b:c", ("a\0b", "c")),
    ],
)
def test_file_and_column_of_what_is_not_there(spec, parts):
    assert truth.split(spec) == parts


def test_an_installed_table_goes_by_its_name_without_suffix(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    truth.add("nasbench201", table(tmp_path / "mine.csv", "arch,val/acc", [(ARCHS[0], 90)]))
    (tmp_path / "mine.csv").unlink()
    (tmp_path / "mine").mkdir()
    for spec in ("mine", "mine.csv", "mine:val/acc", "mine.csv:val/acc"):
        assert truth.load(spec, SPACE).best == 90
    with pytest.raises(InputError, match=r"installed for nasbench201: .*mine\.csv"):
        truth.load("other", SPACE)


def test_capitals_do_not_hide_a_column(tmp_path):
    path = table(tmp_path / "t.csv", "ARCH,Accuracy,Dataset,loss,LOSS", [(ARCHS[0], 1, "x", 3, 4)])
    assert truth.load(path, SPACE).column == "Accuracy"
    assert truth.load(f"{path}:x.accuracy", SPACE).column == "Accuracy"
    assert truth.load(f"{path}:LOSS", SPACE).best == 4
    with pytest.raises(InputError, match="no column 'Loss'"):
        truth.load(f"{path}:Loss", SPACE)


# ------------------------------------------------------------------------------------------- repeats and skipped rows


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-100, 100)), min_size=1, max_size=40))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_of_one_architecture_count_as_their_mean_in_any_order(tmp_path, pairs):
    path = table(tmp_path / "t.csv", "arch,acc", [(ARCHS[i], value) for i, value in pairs])
    found = truth.load(path, SPACE)
    values = {ARCHS[i]: [value for j, value in pairs if j == i] for i, _ in pairs}
    assert found.texts == {arch: pytest.approx(sum(some) / len(some)) for arch, some in values.items()}
    assert found.repeated == sum(len(some) > 1 for some in values.values())
    assert any("repeated rows" in remark for remark in found.remarks) == bool(found.repeated)


def test_repeats_are_said_with_how_far_they_are_apart(tmp_path):
    rows = [(ARCHS[0], 90), (ARCHS[1], 91), (ARCHS[0], 90.1), (ARCHS[0], 10)]
    found = truth.load(table(tmp_path / "t.csv", "arch,acc", rows), SPACE)
    assert found.texts[ARCHS[0]] == pytest.approx(190.1 / 3)
    assert found.remarks == (
        "1 of 2 architectures have repeated rows (3 in all, at most 80.1 apart): their means count",
    )
    assert found.to_json()["repeated"] == 1


def test_repeats_in_one_set_do_not_make_sets_disagree(tmp_path):
    rows = [("a", ARCHS[0], 1), ("a", ARCHS[0], 3), ("b", ARCHS[1], 5)]
    found = truth.load(table(tmp_path / "t.csv", "dataset,arch,acc", rows), SPACE)
    assert found.texts == {ARCHS[0]: 2, ARCHS[1]: 5}
    rows += [("b", ARCHS[0], 7)]
    found = truth.load(table(tmp_path / "t.csv", "dataset,arch,acc", rows), SPACE)
    assert found.texts == {ARCHS[0]: 2} and "sets a, b: 'a' is taken" in found.remarks[0]


@pytest.mark.parametrize("source", ["²", "٣", "9" * 5000, "-1", ""])
def test_edges_from_nodes_that_are_no_numbers_are_left_out_in_one_line(tmp_path, source):
    bad = f"|nor_conv_3x3~{source}|+|none~0|none~1|+|none~0|none~1|none~2|"
    found = truth.load(table(tmp_path / "t.csv", "arch,acc", [(ARCHS[0], 1), (bad, 2)]), SPACE)
    assert list(found.texts) == [ARCHS[0]] and found.skipped == 1
    with pytest.raises(InputError, match="must come from one of the nodes"):
        SPACE.parse(bad)


def test_huge_values_have_a_mean_too(tmp_path):
    found = truth.load(table(tmp_path / "t.csv", "arch,acc", [(ARCHS[0], 1e308), (ARCHS[0], 1e308)]), SPACE)
    assert found.texts[ARCHS[0]] == 1e308


def test_rows_that_are_left_out_are_said(tmp_path):
    rows = [(arch, 90 + i if i < 4 else "n/a") for i, arch in enumerate(ARCHS)] + [("|what~0|", 3), ("|what~1|", 4)]
    found = truth.load(table(tmp_path / "t.csv", "arch,accuracy", rows), SPACE)
    assert found.skipped == 10
    assert found.remarks[0].startswith("8 of 14 rows are no numbers in column 'accuracy' (the first of them: 'n/a')")
    assert found.remarks[1].startswith("2 of 14 rows are no architectures of nasbench201")
    assert found.to_json()["remarks"] == list(found.remarks)


# ------------------------------------------------------------------------------------------------------------ direction


@pytest.mark.parametrize(
    "name",
    "loss test_error wer WER% cer per PER per_test mse rmse RMSELoss mae nll NLLLoss fid FID-50k perplexity latency "
    "latency_ms valLoss testError top1_err top1-err regret rank bpc bits_per_char val/loss crossEntropy inference_time "
    "seconds_per_image test.MSE runTime negative_log_likelihood neg_log_likelihood 1-acc one_minus_accuracy "
    "valloss testErr logloss valppl accuracy_drop acc-drop-test drop_in_accuracy -acc false_positive_rate std".split(),
)
def test_errors_by_any_usual_name_are_lower_is_better(name):
    found = direction.of(name)
    assert (found.higher_is_better, found.decided) == (False, "name") and found.word
    assert str(found) == f"lower is better: '{found.word}' in its name"


@pytest.mark.parametrize(
    "name",
    "accuracy val/acc eval_acc1es cifar10_test_acc lossless_acc acc_per_class mean_per_class_accuracy log_likelihood "
    "neg_mean_squared_error negLoss spearman_rank_correlation f1 r2 mIoU map acc_after_12_hours throughput "
    "testacc valAcc error_reduction loss_decrease -loss 1/loss error_free_acc acc_drop_path_0.2 dropout_acc".split(),
)
def test_accuracies_by_any_usual_name_are_higher_is_better(name):
    found = direction.of(name)
    assert (found.higher_is_better, found.decided) == (True, "name")


@pytest.mark.parametrize(
    "name",
    "params flops jigsaw phones super performer terse training values evaluation images_per_second img/s x".split(),
)
def test_other_names_say_nothing(name):
    assert direction.of(name) == direction.Direction(True, "assumed")
    assert direction.of(name, False) == direction.Direction(False, "asked")


@given(st.text(max_size=30))
def test_any_text_has_a_direction(name):
    assert direction.of(name).decided in ("name", "assumed")


def test_how_the_direction_was_decided_is_part_of_the_truth(tmp_path):
    path = table(tmp_path / "t.csv", "arch,wer,x", [(arch, 9 - i, i) for i, arch in enumerate(ARCHS)])
    found = truth.load(f"{path}:wer", SPACE)
    assert (found.higher_is_better, found.decided, found.word) == (False, "name", "wer")
    assert found.to_json()["direction"] == "lower is better: 'wer' in its name"
    assumed = truth.load(f"{path}:x", SPACE)
    assert assumed.decided == "assumed" and "assumed" in str(assumed.direction)
    asked = truth.load(assumed, SPACE, False)
    assert not asked.higher_is_better and asked.decided == "asked" and truth.load(asked, SPACE) == asked


def test_only_an_assumed_direction_is_doubted_and_only_when_the_correlation_is_strongly_negative(tmp_path):
    path = table(tmp_path / "t.csv", "arch,acc,x", [(arch, i, i) for i, arch in enumerate(ARCHS)])
    named, assumed = truth.load(f"{path}:acc", SPACE), truth.load(f"{path}:x", SPACE)
    assert "--lower-is-better" in assumed.doubt(-0.9, -0.6)
    assert (
        assumed.doubt(-0.9)
        and not assumed.doubt(-0.8, 0.1)
        and assumed.doubt(-1, 0.8)
        and not assumed.doubt(-0.3, -0.1)
    )
    assert (
        not assumed.doubt(math.nan) and not named.doubt(-0.9, -0.6) and not truth.load(assumed, SPACE, True).doubt(-1)
    )


def test_labels_take_a_direction_too(tmp_path):
    path = table(tmp_path / "t.csv", "arch,x", [(arch, i) for i, arch in enumerate(ARCHS)])
    up, down = labels.read(path, SPACE), labels.read(path, SPACE, False)
    assert up.values == tuple(-value for value in down.values)
    assert labels.choose(SPACE, None, str(path), 5, "2", 0, False)[0].values[0] <= 0
    for held_out in ("²", "٣", "9" * 5000):
        with pytest.raises(InputError, match="no such file"):
            labels.choose(SPACE, None, str(path), 5, held_out, 0)


# -------------------------------------------------------------------------------------------------------------- hostile

HEADER = "arch,acc\n"


def flipped():
    content = bytearray(gzip.compress((HEADER + "".join(f"{arch},1\n" for arch in ARCHS)).encode()))
    content[len(content) // 2] ^= 0xFF
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv.gz", flipped(), "cannot be read"),
        ("t.csv.gz", b"arch,acc", "cannot be read"),
        ("t.json.gz", gzip.compress(b"[" * 10, mtime=0)[:-5], "cannot be read"),
        ("t.json", b"[" * 100_000, "nested too deeply"),
        ("t.json", b'[{"arch": "x", "acc": ' + b"9" * 5000 + b"}]", "cannot be read|no architecture"),
        ("t.json", b'[{"arch": "x", "acc": 1, "acc": 2}]', "key 'acc' twice"),
        ("t.json", b'{"columns": ["arch", "acc"], "a": [["x", 1, 2]]}', "row 1 has 3 values for 2 columns"),
        ("t.json", b'{"columns": 3, "a": [["x", 1]]}', "'columns' must be a list of names"),
        ("t.json", b'{"columns": [["x"]], "a": [["x", 1]]}', "'columns' must be a list of names"),
        ("t.json", b"3", "must hold a list of rows"),
        ("t.json", b"[3]", "row 1 must have named columns"),
        ("t.json", b'{"a": 3}', "no rows"),
        ("t.csv", b"arch,acc\nx,1\x00\n", "NUL bytes"),
        ("t.csv", "arch,acc\nx,1\n".encode("utf-16-le"), "NUL bytes"),
        ("t.csv", b"arch,acc\n\xff\xfe,1\n", "no UTF-8 text"),
        ("t.csv", b"arch,acc\n" + b"x" * 200_000 + b",1\n", "line 2 cannot be read"),
        ("t.csv", b'arch,acc\n"x,1\ny,2\n', "line 3 cannot be read"),
        ("t.csv", b"arch,acc\nx,93,5\n", "line 2: 3 fields for the 2 columns"),
        ("t.csv", b"arch,acc,acc\nx,1,2\n", "two columns of the name acc"),
        ("t.csv", b",".join(b"column %d" % i for i in range(50_000)) + b"\n", "and 49,988 more"),
        ("t.csv", b"arch," + b",".join(b"c%d" % i for i in range(999)) + b"\nx" + b",1" * 999, "and 987 more"),
        ("t.csv", b'"arch\nx",acc\nx,1\n', "no column 'arch'"),
        ("t.csv", b"", "no rows"),
        ("t.csv", b"\n\n\r\n", "no rows"),
        ("t.csv", b"\xef\xbb\xbf", "no rows"),
        ("t.txt", b"arch,acc\n", "must be a .csv"),
    ],
)
def test_hostile_tables_end_in_one_line(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as raised:
        truth.load(path, SPACE)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 1500


@given(st.binary(max_size=200), st.sampled_from(["t.csv", "t.csv.gz", "t.json", "t.tsv"]))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_a_table_or_one_line(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content if not name.endswith(".gz") else gzip.compress(content))
    with pytest.raises(InputError) as raised:
        truth.load(path, SPACE)
    assert len(str(raised.value).splitlines()) == 1


@given(st.text("arch,;\t\"'\r\n01.%|~x", max_size=120))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_text_like_tables_are_rows_or_one_line(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_bytes((HEADER.strip() + text).encode())
    try:
        rows = user_tables.read_table(path)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert all(isinstance(cells, dict) for _, _, cells in rows)


def test_a_fifo_is_refused_and_not_waited_for(tmp_path):
    pipe = tmp_path / "t.csv"
    os.mkfifo(pipe)
    found = []

    def attempt():
        for read in (truth.load, read_architectures):
            with pytest.raises(InputError, match="not a regular file"):
                read(pipe, SPACE)
        found.append(True)

    worker = threading.Thread(target=attempt, daemon=True)
    worker.start()
    worker.join(20)
    assert found
    with pytest.raises(InputError, match="a folder, not a table"):
        truth.load(tmp_path, SPACE)


def nasbench101(tmp_path, change):
    space = spaces.get("nasbench101")
    rng = np.random.default_rng(0)
    content = {}
    for arch in (space.sample(rng), space.sample(rng)):
        fixed = {"module_adjacency": np.array(arch.matrix), "module_operations": list(arch.ops), "params": 1}
        content[space.key(arch)] = (fixed, {108: [{"final_test_accuracy": 0.9}, {"final_test_accuracy": 0.8}]})
    change(content, list(content))
    path = tmp_path / "nasbench_only108.pkl"
    path.write_bytes(pickle.dumps(content))
    return path, space


def test_nan_in_the_nasbench101_pickle_is_left_out_and_said(tmp_path):
    def change(content, keys):
        content[keys[1]][1][108][1]["final_test_accuracy"] = math.nan

    path, space = nasbench101(tmp_path, change)
    found = truth.load(path, space)
    assert list(found.keys.values()) == [pytest.approx(85)] and found.skipped == 1
    assert found.remarks[0].startswith("1 of 2 architectures have no finite 'final_test_accuracy'")
    assert found.best == pytest.approx(85)


@pytest.mark.parametrize(
    "change",
    [
        lambda content, keys: content.update({keys[1]: 3}),
        lambda content, keys: content.update({keys[1]: ({}, {})}),
        lambda content, keys: content[keys[0]][0].update(module_adjacency=3),
        lambda content, keys: content[keys[0]][0].update(module_operations=3),
        lambda content, keys: content[keys[1]][1].update({108: []}),
        lambda content, keys: content[keys[1]][1].update({108: [{"final_test_accuracy": "much"}]}),
        lambda content, keys: content[keys[0]][1].clear(),
    ],
)
def test_a_damaged_nasbench101_pickle_is_named_in_one_line(tmp_path, change):
    path, space = nasbench101(tmp_path, change)
    with pytest.raises(InputError, match=r"nasbench_only108\.pkl") as raised:
        truth.load(path, space)
    assert "\n" not in str(raised.value)

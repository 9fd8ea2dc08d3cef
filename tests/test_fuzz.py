"""Hostile input to every reader: one line of bounded length, or success; no other exception, no hang.

GENNAS_FUZZ sets how many inputs each reader gets; docs/reliability.md says what a long run found.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import json
import os
import pickle
import random
import signal
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml

from naslib_gennas import pickles, proxies, reading, spaces, truth
from naslib_gennas.errors import InputError
from naslib_gennas.plugin import config
from naslib_gennas.regression import batches, profiles, tasks
from naslib_gennas.scoring import network_inputs
from naslib_gennas.scoring import store as stores
from naslib_gennas.truth import labels

COUNT = int(os.environ.get("GENNAS_FUZZ", 30))
SECONDS = 20  # for one input; a hang, not slowness, is what this finds

TOKENS = (
    *(
        "²",
        "٣",
        "½",
        "-1",
        "-0",
        "9223372036854775808",
        "9" * 400,
        "9" * 5000,
        "1e999",
        "1e-3",
        ".inf",
        "NaN",
        "Infinity",
    ),
    *("null", "~", "true", "[]", "{}", '""', "[" * 300, "[" * 20000, "{" * 300, '{"a":' * 2000, "0x10", "1_000", "\0"),
    *(
        "2001-99-99",
        "!!int foo",
        "!!python/object:os.system x",
        "!!binary x",
        "&a [*a]",
        "*a",
        "<<: 3",
        "\ufeff",
        "\ud800",
    ),
    *(
        "'",
        '"',
        "\\",
        "\n",
        "\r\n",
        "\t",
        "|",
        "+",
        ":",
        ",",
        "(",
        ")",
        "]",
        "}",
        "%s",
        "{0}",
        "$x_{",
        "<script>",
        "=1+1",
    ),
    *("range(10**9)", "range(1000000000)", "10**10**10", "x" * 5000, "../" * 50, "/dev/zero", "é" * 300),
)
VALUES = (
    *(None, True, 5, -1, 2**63, 10**400, 1.5, float("nan"), float("inf"), "", "x" * 5000, b"\xff", [], {}, (), set()),
    *(
        [[]],
        [None] * 7,
        {"a": 1},
        {1: 2},
        range(10**9),
        [[[[]]]],
        "\ud800",
        object(),
        [1e308] * 4,
        np.zeros((7, 7)),
        [{}],
    ),
)


def changed(text, draw):
    """A text with a few places cut, doubled, exchanged, or replaced by a token that readers have stumbled over."""
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(text) + 1)
        end = min(len(text), at + draw.choice([0, 1, 2, 8, 40]))
        kind = draw.randrange(5)
        if kind < 2:
            text = text[:at] + draw.choice(TOKENS) + text[end:]
        elif kind == 2:
            text = text[:at] + text[end:]
        elif kind == 3:
            text = text[:end] + text[at:]
        else:
            numbers = [place for place, char in enumerate(text[:4000]) if char.isdigit()]
            if numbers:
                at = draw.choice(numbers)
                text = text[:at] + draw.choice(TOKENS[:13]) + text[at + 1 :]
    return text


@contextlib.contextmanager
def limit():
    def hang(*_):
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def check(read, given):
    """Whether it was refused; anything but success or one line of less than 500 characters is a failure."""
    try:
        with limit(), warnings.catch_warnings():
            warnings.simplefilter("error")  # a line on the terminal, too
            read(given)
        return False
    except InputError as refused:
        line = str(refused)
        assert line and line.isprintable() and len(line) < 500, line[:2000]
        return True
    except BaseException as error:
        raise AssertionError(f"{type(error).__name__} from {str(given)[:300]!r}") from error


SPACES = spaces.names()


@pytest.mark.parametrize(
    "name", [name for name in SPACES if not name.startswith("nds-")] + ["nds-darts", "nds-resnext-a"]
)
def test_architectures(name):
    space, draw = spaces.get(name), random.Random(name)
    rng = np.random.default_rng(0)
    for _ in range(COUNT):
        text = space.format(space.sample(rng))
        check(lambda given: space.key(space.parse(given)), changed(text, draw))
    for value in VALUES:
        check(space.parse, value)
        for key in ("matrix", "ops", "normal", "reduce_concat", "genotype", "ds", "bot_muls", "op", "net"):
            check(space.parse, {key: value})
            with contextlib.suppress(yaml.YAMLError):
                plain = yaml.safe_load(space.format(space.sample(rng)))
                if isinstance(plain, dict):
                    check(space.parse, {**plain, draw.choice(sorted(plain)): value})


@pytest.mark.parametrize("text", ['{"matrix": ' + "[" * 20000, "[" * 20000 + "]" * 20000, '{"a":' * 20000])
def test_deep_architectures(text):
    for name in ("nasbench101", "nasbenchnlp", "darts", "nds-darts", "nds-resnet"):
        assert check(spaces.get(name).parse, text)


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("nasbench201", "|none~²|+|none~0|none~1|+|none~0|none~1|none~2|", "must come from"),
        ("nasbench101", '{"matrix": [[0, 1], [0, 0]], "ops": 5}', "'ops' must name"),
        ("nds-resnext-a", '{"ds": [1, 1], "ws": [1, 1], "ss": [1, 1], "bot_muls": [0, Infinity]}', "Infinity"),
        ("darts", "Genotype(normal=range(10**9))", "one looks like"),
        ("darts", '{"normal": ' + "9" * 400 + "}", "400 digits"),
    ],
)
def test_an_architecture_is_refused_with_the_reason(name, text, words):
    with pytest.raises(InputError, match=words):
        spaces.get(name).parse(text)


def test_tasks(tmp_path):
    draw, file = random.Random(1), tmp_path / "task.yaml"
    examples = [tasks.dump(tasks.get(name)) for name in tasks.names()]
    for _ in range(4 * COUNT):
        file.write_bytes(changed(draw.choice(examples), draw).encode("utf-8", "surrogatepass"))
        check(tasks.get, str(file))


def test_profiles(tmp_path):
    draw, file = random.Random(2), tmp_path / "profile.yaml"
    fields = [field for field in profiles.Profile.__dataclass_fields__ if field != "name"]
    for _ in range(4 * COUNT):
        lines = [f"{key}: {getattr(profiles.FAST, key)}" for key in draw.sample(fields, 5)]
        file.write_bytes(changed("\n".join(lines), draw).encode("utf-8", "surrogatepass"))
        check(profiles.get, file)
    for value in VALUES:
        for field in profiles.Profile.__dataclass_fields__:
            check(profiles.get, {field: value})


def test_config_files_of_naslib(tmp_path):
    draw, file = random.Random(8), tmp_path / "config.yaml"
    examples = [path.read_text() for path in sorted(Path(__file__).parents[1].glob("examples/configs/*.yaml"))]
    assert examples
    for _ in range(2 * COUNT):
        file.write_bytes(changed(draw.choice(examples), draw).encode("utf-8", "surrogatepass"))
        check(config.load, file)


def test_yaml_as_people_write_it(tmp_path):
    file = tmp_path / "task.yaml"
    plain = tasks.dump(tasks.get("combo"))
    file.write_text(plain.replace("learning_rate: 0.1", "learning_rate: 1e-3"))
    assert tasks.get(str(file)).optimizer.learning_rate == 1e-3
    shared = "kind: cnn\nstages:\n- &s {channels: 16, signals: [{basis: zero}]}\n- *s\n- *s\n"
    assert [stage.channels for stage in tasks.parse(shared, "t").stages] == [16, 16, 16]
    letters = "abcdefghij"
    bomb = "a: &a [x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n" for old, new in zip(letters, letters[1:])
    )
    wrong = {
        "a: 1\nsteps: 2\na: 3": "twice",
        "steps: .inf": "finite",
        "steps: 2001-99-99": "whole number",
        "steps: !!int foo": "'foo' is no whole number",
        "steps: " + "9" * 400: "400 digits",
        "steps: " + "[" * 50_000: "brackets",
        bomb: "aliases",
        "a: &a [*a]": "endless",
        "resolution: 1000000": "from 8 to 2048",
        "dtype: float16": "float32",
        "- " * 3000: "YAML",
    }
    for content, words in wrong.items():
        file.write_text(content)
        with limit(), pytest.raises(InputError, match=words) as refused:
            profiles.get(file)
        assert len(str(refused.value)) < 500


def arrays(draw):
    """The bytes of .npy files: whole ones, other kinds, and damaged ones."""
    kinds = [
        np.zeros((16, 3, 8, 8), np.float32),
        np.zeros((16, 3, 0, 0)),
        np.zeros(0),
        np.array("text"),
        np.array(["a", "b"] * 40),
        np.zeros((16, 3, 8, 8), complex),
        np.full((16, 3, 8, 8), 1e300),
        np.zeros((2, 3, 8, 9), bool),
        np.zeros((16, 3, 8, 8), "datetime64[s]"),
        np.zeros((16, 3, 8, 8), [("a", "f4")]),
    ]
    for array in kinds:
        file = io.BytesIO()
        np.save(file, array)
        yield file.getvalue()
    file = io.BytesIO()
    np.savez(file, a=kinds[0])
    yield file.getvalue()
    file = io.BytesIO()
    np.save(file, np.array([{}, None], dtype=object), allow_pickle=True)
    yield file.getvalue()
    whole = io.BytesIO()
    np.save(whole, kinds[0])
    header = whole.getvalue()
    yield from (b"", b"\x93NUMPY", b"text", header[:100], header[:-1])
    for shape in (
        b"(99999999999, 3, 8, 8)",
        b"(16, 3, -8, -8)       ",
        b"(10**9, 3, 8, 8)     ",
        b"((((((((((((((((((((((",
    ):
        yield header.replace(b"(16, 3, 8, 8), }      ", shape + b", }" + b" " * (20 - len(shape)))
        yield header.replace(b"(16, 3, 8, 8), }" + b" " * (len(shape) - 13), shape + b", }")
    for _ in range(2 * COUNT):
        damaged = bytearray(header)
        for _ in range(draw.randrange(1, 4)):
            damaged[draw.randrange(130)] = draw.randrange(256)
        yield bytes(damaged)


def test_arrays(tmp_path):
    file = tmp_path / "batch.npy"
    refused = 0
    for content in arrays(random.Random(3)):
        file.write_bytes(content)
        batches._load.cache_clear()
        refused += check(lambda path: batches.load(path, 16, 8), str(file))
        check(lambda path: network_inputs.given(path, proxies.get("naswot")), str(file))
    assert refused > 20


def test_inputs_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.npy").mkdir()
    for name in ("pipe.npy", "folder.npy", "none.npy", "\0.npy", "x" * 300 + ".npy"):
        assert check(lambda given: batches.load(given, 2, 8), str(tmp_path / name))
        assert check(lambda given: network_inputs.given(given, proxies.get("naswot")), str(tmp_path / name))
    for get in (tasks.get, profiles.get):
        assert check(get, str(tmp_path / "pipe.yaml"))
        assert check(get, "/dev/zero.yaml")
    assert check(pickles.load, tmp_path / "pipe.npy")
    assert check(reading.opened if sys.platform == "win32" else pickles.load, "/dev/zero")
    check(lambda given: batches.load(given, 2, 8), "cifar:/")  # there may be images, but nobody waits for all
    for name in ("cifar:", "cifar:/dev", "cifar:" + str(tmp_path), "photos:", "", "&", "noise&", "cifar:\0"):
        assert check(lambda given: batches.load(given, 2, 8), name)


def test_pickles():
    draw = random.Random(4)
    content = {"data": np.arange(12).reshape(3, 4), b"labels": [1, 2.5, None, "x", (True,)], "one": np.float64(2)}
    for protocol in range(2, 6):
        assert pickles.load(pickle.dumps(content, protocol))["data"].tolist() == content["data"].tolist()
    opcodes = bytes(range(256))
    for number in range(10 * COUNT):
        whole = bytearray(pickle.dumps(content, number % 6))
        for _ in range(draw.randrange(1, 4)):
            at = draw.randrange(len(whole))
            whole[at : at + draw.choice([0, 1, 1, 4])] = bytes([draw.choice(opcodes)])
        check(pickles.load, bytes(whole))


@pytest.mark.parametrize(
    "content, words",
    [
        (b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I100000000000\ntS'b'\ntR.", "out of nothing"),
        (b"c_codecs\nencode\n(Vx\nVnocodec\ntR.", "codec"),
        (b"cos\nsystem\n(S'true'\ntR.", "no use for"),
        (b"", "not a pickle of plain data"),
        (b"\x80\x04\x8e" + (10**11).to_bytes(8, "little") + b"x", "not a pickle of plain data"),
        (b"Nr\xff\xff\xff\x7fr\xff\xff\xff\xff(", "not a pickle of plain data"),
        (b"I" + b"9" * 5000 + b"\n.", "not a pickle of plain data"),
    ],
)
def test_a_pickle_is_refused_with_the_reason(content, words):
    with pytest.raises(InputError, match=words):
        pickles.load(content)


def test_proxy_names():
    draw = random.Random(5)
    for _ in range(4 * COUNT):
        check(proxies.get, changed(draw.choice([*proxies.names(), "ranksum:naswot+synflow", "gennas-sin1d-H@1"]), draw))


@pytest.mark.parametrize(
    "source, words",
    [
        ("import sys; sys.exit(0)", "ends the program"),
        ("from naslib_gennas.proxies import proxy\n@proxy(5)\ndef f(network, inputs, seed): return 0.0", "is a text"),
        ("1 / 0", "line 1: ZeroDivisionError"),
        ("x = (", "line 1"),
        ("x = 1", "registers no proxy"),
        ("x = '\0'", "proxy file"),
    ],
)
def test_a_proxy_file_that_breaks_is_said_and_breaks_nothing_else(tmp_path, source, words):
    file = tmp_path / "mine.py"
    file.write_text(source)
    with pytest.raises(InputError, match=words):
        proxies.get(str(file))
    assert proxies.get("naswot").name == "naswot"
    assert all(isinstance(name, str) for name in proxies.names())


def test_store_files(tmp_path):
    draw, file = random.Random(6), tmp_path / "file"
    for _ in range(COUNT):
        content = draw.choice([b"SQLite format 3\0", b"", b"\0"]) + draw.randbytes(draw.choice([3, 90, 200, 5000]))
        file.write_bytes(content)
        assert check(lambda path: stores.Store(path).close(), file)
        assert file.read_bytes() == content and [file] == list(tmp_path.iterdir())


def tables(draw):
    """Endings and bytes of tables of ground truth, whole and damaged."""
    space, rng = spaces.get("nasbench201"), np.random.default_rng(0)
    rows = [(space.format(space.sample(rng)), round(60 + 30 * draw.random(), 2)) for _ in range(6)]
    examples = {
        ".csv": "arch,accuracy,loss\n" + "".join(f'"{arch}",{value},0.5\n' for arch, value in rows),
        ".json": json.dumps({arch: {"accuracy": value, "curve": [1, 2]} for arch, value in rows}),
        ".pkl": "",
    }
    while True:
        ending = draw.choice(list(examples))
        if ending == ".pkl":
            content = bytearray(
                pickle.dumps({arch: {"cifar10-valid": {"eval_acc1es": [value]}} for arch, value in rows}, 4)
            )
        else:
            content = bytearray(changed(examples[ending], draw).encode("utf-8", "surrogatepass"))
        if draw.random() < 0.3 and ending != ".pkl":
            ending, content = f"{ending}.gz", bytearray(gzip.compress(bytes(content)))
        if ending not in (".csv", ".json") and draw.random() < 0.7 and content:
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        yield ending, bytes(content)


def test_tables_of_ground_truth(tmp_path):
    draw, space = random.Random(7), spaces.get("nasbench201")

    def read(path):
        table = truth.find(path, space)
        for arch in itertools.islice(table, 3) if hasattr(table, "__iter__") else ():
            table.of(space, arch)

    for (ending, content), _ in zip(tables(draw), range(4 * COUNT)):
        file = tmp_path / f"table{ending}"
        file.write_bytes(content)
        check(read, draw.choice([str(file), f"{file}:accuracy"]))
        check(lambda path: labels.read(path, space), str(file))
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("pipe.csv", "none.csv", "none.json:x", "\0.csv"):
        assert check(read, str(tmp_path / name))

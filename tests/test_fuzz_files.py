"""Hostile files: arrays, pickles, tables, stores, and what is no file. See `fuzzing`."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import pickle
import sys

import numpy as np
import pytest
from fuzzing import COUNT, changed, check, drawing

from naslib_gennas import pickles, proxies, reading, spaces, truth
from naslib_gennas.errors import InputError
from naslib_gennas.regression import batches, profiles, tasks
from naslib_gennas.scoring import network_inputs
from naslib_gennas.scoring import store as stores
from naslib_gennas.truth import labels


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
    for content in arrays(drawing("arrays")):
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
    draw = drawing("pickles")
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


# A number of numpy's, as it pickles one. Numpy itself ends the process where a part is missing.
SCALAR = (
    b"cnumpy._core.multiarray\nscalar\n(cnumpy\ndtype\n(Vf8\nI00\nI01\ntR(I3\nV<\nNNNI-1\nI-1\nI0\ntb"
    b"c_codecs\nencode\n(V12345678\nVlatin1\ntRtR."
)


def test_arrays_and_numbers_come_back_as_they_were():
    values = [np.float64(2.5), np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3), ">i4")]
    values += [np.array(["a", "bc"]), np.array([b"a", b"bc"]), np.array([1, None, "x"], object), np.zeros((0, 3))]
    assert pickles.load(SCALAR) == np.frombuffer(b"12345678")[0]
    for value, protocol in itertools.product(values, range(6)):
        found = pickles.load(pickle.dumps(value, protocol))
        assert np.array_equal(found, value) and np.asarray(found).dtype.str[1:] == value.dtype.str[1:]


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
        (b"cnumpy\nndarray\n((I10000000000\nttR.", "not a pickle of plain data"),
        (b"cnumpy\ndtype\n(Vi8,i8\ntR.", "the type 'i8,i8'"),
        (SCALAR.replace(b"I00\nI01\ntR(I3\nV<\nNNN", b"I00\nI01\ntR(I3\nV<\nNN"), "not a pickle of plain data"),
        (SCALAR.replace(b"I3\nV<\nNNN", b"I3\nV<\nN(tN"), "several parts"),
        (SCALAR.replace(b"12345678", b"1234"), "other values"),
    ],
)
def test_a_pickle_is_refused_with_the_reason(content, words):
    with pytest.raises(InputError, match=words):
        pickles.load(content)


def test_store_files(tmp_path):
    draw, file = drawing("stores"), tmp_path / "file"
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
    draw, space = drawing("tables"), spaces.get("nasbench201")

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

"""Hostile values of options, and files as spreadsheets, other programs and mistakes make them. See `fuzzing`."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import pickle
import zipfile

import numpy as np
import pytest
from fuzzing import COUNT, changed, check, drawing

from naslib_gennas import spaces, truth
from naslib_gennas.regression import batches
from naslib_gennas.scoring import devices
from naslib_gennas.studies import budget, constraints, leaderboard, objectives, ranking, variation
from naslib_gennas.truth import benchmarks, labels

SPACE = spaces.get("nasbench201")
#: What an option takes, and how it is read.
OPTIONS = {
    "--constraint": (
        ["params<1.5M", "flops>=500M", "memory<2GB", "latency<10ms", "a.py:f<3", "params<=1_000"],
        constraints.parse,
    ),
    "--objective": (["score", "params", "-latency", "memory", "a.py:f", "params:2"], objectives.parse),
    "--budget": (["90", "90s", "10m", "1.5h", "2d"], budget.seconds),
    "--n": (["60", "60,nds-*=20,darts=40", "darts=3"], lambda text: leaderboard.sizes(text)("darts")),
    "--children": (
        ["edge=1/7,vertex=1/7", "nearest-of-200", "paper", "mutation"],
        lambda text: variation.variation(SPACE, text),
    ),
    "--device": (["cpu", "cuda:0", "mps", "xpu"], devices.check_device),
    "--inputs": (
        ["photos", "noise:3", "dead-leaves&noise", "fractals", "gaussian-classes:1", "cifar:none", "none.npy"],
        lambda text: batches.load(text, 2, 8),
    ),
    "SPACE": (["nasbench201", "nds-darts-in", "mine.py:space", "transnas-micro"], spaces.get),
    "--truth SPACE=FILE": (
        ["nasbench201=t.csv:acc", "darts=none.csv", "nasbench201="],
        lambda text: benchmarks.find(None, (), [text]),
    ),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_values_of_options(option, empty_folder):
    examples, read = OPTIONS[option]
    draw = drawing(option)
    for example in examples:
        check(read, example)
    for _ in range(4 * COUNT):
        check(read, changed(draw.choice(examples), draw).replace("/dev/zero", "/dev/null"))


def as_excel(rows, draw):
    """A table as spreadsheets save it: byte-order mark, semicolons or tabs, decimal commas, UTF-16, trailing blanks."""
    separator = draw.choice(",;\t")
    comma = separator == ";" and draw.random() < 0.7
    lines = [separator.join(["arch", "accuracy", "Anmerkung"] + [""] * draw.randrange(3))]
    for arch, value in rows:
        number = f"{value:.2f}".replace(".", ",") if comma else f"{value:.2f}"
        number += draw.choice(["", "", "", "%", " %", "€"])
        lines.append(separator.join([f'"{arch}"', draw.choice([number, "", "#DIV/0!", "n/a", "1.234,5", "=A1"]), "ä"]))
    text = draw.choice(["\n", "\r\n", "\r"]).join(lines + [""] * draw.randrange(4))
    text = changed(text, draw) if draw.random() < 0.6 else text
    return text.encode(draw.choice(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252"]), "replace")


def mistaken(rows, draw):
    """A file of another kind under a table's name."""
    array, archive = io.BytesIO(), io.BytesIO()
    np.save(array, np.arange(6.0))
    with zipfile.ZipFile(archive, "w") as book:
        book.writestr("xl/worksheets/sheet1.xml", "<worksheet/>")
    kinds = [
        array.getvalue(),
        archive.getvalue(),
        b"PAR1" + draw.randbytes(200) + b"PAR1",
        b"\x89HDF\r\n\x1a\n" + draw.randbytes(200),
        pickle.dumps(dict(rows), draw.randrange(6)),
        pickle.dumps([np.float64(2), np.arange(4)], draw.randrange(6)),
        json.dumps({"arch": [arch for arch, _ in rows], "accuracy": [value for _, value in rows]}).encode(),
        "\n".join(json.dumps({"arch": arch, "accuracy": value}) for arch, value in rows).encode(),
        "\n".join(f"- arch: '{arch}'\n  accuracy: {value}" for arch, value in rows).encode(),
        "\n".join(arch for arch, _ in rows).encode(),
        b"<!DOCTYPE html><html><body>404</body></html>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        draw.randbytes(draw.randrange(300)),
        b"",
        b"\n" * 500,
        gzip.compress(b"arch,accuracy\n")[: draw.randrange(30)],
    ]
    return draw.choice(kinds)


def test_tables_as_people_have_them(tmp_path):
    draw, rng = drawing("people"), np.random.default_rng(0)

    def read(given):
        table = truth.find(given, SPACE)
        for arch in itertools.islice(table.texts, 3):
            table.of(SPACE, SPACE.parse(arch))

    endings = [".csv", ".tsv", ".json", ".csv.gz", ".pkl", ".pickle", ".txt", ".xlsx", ".parquet", ".npy", ".yaml", ""]
    for number in range(2 * COUNT):
        rows = [(SPACE.format(SPACE.sample(rng)), 60 + 30 * draw.random()) for _ in range(5)]
        content = draw.choice([as_excel, mistaken])(rows, draw)
        file = tmp_path / f"table{draw.choice(endings[:3] if draw.random() < 0.6 else endings)}"
        file.write_bytes(gzip.compress(content) if file.suffix == ".gz" and draw.random() < 0.8 else content)
        check(read, draw.choice([str(file), f"{file}:accuracy", f"{file}:Anmerkung"]))
        check(lambda path: labels.read(path, SPACE), str(file))
        check(lambda path: ranking.read_architectures(path, SPACE), file)
        if number % 10 == 0:  # which looks at more than this file
            check(lambda path: benchmarks.find(None, (), [f"nasbench201={path}"]), str(file))
            check(lambda path: benchmarks.find(["nasbench201"], [path.parent], ()), file)
        file.unlink()

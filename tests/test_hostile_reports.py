"""Reports where names are hostile or the disk is full: nothing is injected, and a result is not lost with its files."""

from __future__ import annotations

import csv
import dataclasses
import html
import importlib.util
import re
import resource
import signal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Callable, List, Optional, Set, Tuple

import forks
import pytest
from test_comparison import column, comparison_of

from naslib_gennas.studies import leaderboard_report, pareto, plots, report, search
from naslib_gennas.studies.comparison import Column, Comparison
from naslib_gennas.studies.leaderboard import DataSet, Leaderboard, Space, Standing

HOSTILE = "</td><script>alert('1')</script><img src=x onerror=alert(1)>"

needs_pymoo = pytest.mark.skipif(importlib.util.find_spec("pymoo") is None, reason="no pymoo, as on Python 3.9")


class Seen(HTMLParser):
    """The names of all tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Set[str] = set()

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        self.names |= {tag, *(name for name, _ in attrs)}


def hostile_comparison() -> Comparison:
    """Hostile names of architectures, files, columns and proxies, in reasons and problems."""
    bad = dataclasses.replace(column(HOSTILE, 0.5, 1), not_ok={"failed": 2}, reasons={"failed": HOSTILE})
    truth = {"name": f"{HOSTILE}.csv:{HOSTILE}", "direction": HOSTILE, "remarks": [HOSTILE], "matched": 2}
    made = comparison_of([bad, Column(f"b{HOSTILE}", problem=HOSTILE)], {**truth, "higher_is_better": True})
    return dataclasses.replace(made, architectures=(HOSTILE, f"=1+1{HOSTILE}"), inputs=f"{HOSTILE}.npy", space=HOSTILE)


def hostile_board() -> Leaderboard:
    made = hostile_comparison()
    data_set = DataSet(HOSTILE, {**dict(made.truth or {}), "decided": "name"}, made.values, made.columns)
    space = Space(HOSTILE, HOSTILE, made.architectures, made.columns, (data_set,))
    standings = tuple(Standing(one.name, 0.5, 1, (0.1, HOSTILE), 1.0) for one in made.columns)
    usual = (0, f"{HOSTILE}.npy", 10.0, (HOSTILE,), (HOSTILE,), (HOSTILE,), 1.0)
    return Leaderboard((space,), None, standings, *usual)


@pytest.mark.parametrize(
    ("made", "write"),
    [(hostile_comparison, report.write), (hostile_board, leaderboard_report.write)],
    ids=["comparison", "leaderboard"],
)
def test_names_are_text_in_every_file_of_a_report(
    made: Callable[[], Any], write: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write(made(), tmp_path / "run")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert html.escape(HOSTILE, quote=False)[:20] in page  # it is there, as text
    seen = Seen()
    seen.feed(page)
    assert (
        "table" in seen.names and "script" not in seen.names and not [name for name in seen.names if name[:2] == "on"]
    )
    for table in folder.glob("*.csv"):
        with open(table, encoding="utf-8", newline="") as file:
            assert not any(cell.startswith("=") for row in csv.reader(file) for cell in row)
    for text in folder.glob("*.tex"):
        assert not re.search(r"(?<!\\)[_#&$]script", text.read_text(encoding="utf-8"))
    assert all(file.resolve().is_relative_to(folder.resolve()) for file in folder.rglob("*"))


def fill_the_disk(*_: Any) -> None:
    """No file grows any more."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))


USUAL: Any = {"proxy": "params", "evaluations": 4, "truth": None, "workers": 1, "progress": fill_the_disk}


def compared(folder: Path) -> None:
    fill_the_disk()
    report.write(comparison_of([column("a", 0.5, 1)]), folder)


def ranked(folder: Path) -> None:
    fill_the_disk()
    leaderboard_report.write(hostile_board(), folder)


def searched(folder: Path) -> None:
    assert search.search("nasbench201", control=False, out=folder, **USUAL).evaluations == 4


def traded(folder: Path) -> None:
    assert pareto.trade_off("nasbench201", ["score", "params"], out=folder, **USUAL).evaluations == 4


@pytest.mark.parametrize("study", [compared, ranked, searched, pytest.param(traded, marks=needs_pymoo)])
def test_a_full_disk_loses_the_files_and_not_the_result(study: Callable[[Path], Any], tmp_path: Path) -> None:
    done = forks.done(forks.forked(lambda: study(tmp_path / "run")))
    assert done.returncode == 0, done.stderr
    assert f"the results in '{tmp_path / 'run'}' are not complete" in done.stderr and "Traceback" not in done.stderr


def test_numbers_at_logarithmic_axes_are_numbers(tmp_path):
    figure, axes = plots.figure(columns=2)
    for axis, base in zip(axes[0], (2, 10)):
        axis.plot([4, 64], [0.003, 20])
        plots.logarithmic(axis, "x", base)
        plots.logarithmic(axis, "y")
    plots.save(figure, tmp_path / "costs.svg")
    at = [[text.get_text() for text in axis.get_xticklabels() + axis.get_yticklabels()] for axis in axes[0]]
    assert {"4", "64", "0.01", "10"} <= set(at[0]) and {"5", "50", "0.01", "10"} <= set(at[1])
    assert not any("$" in text for text in [*at[0], *at[1]])

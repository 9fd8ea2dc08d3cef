"""The files of a reproduction: report.html, table.csv, table.tex, result.json, and the figures as PNG, SVG and PDF."""

from __future__ import annotations

import base64
import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from naslib_gennas import files
from naslib_gennas.studies import citations, page, plots, report
from naslib_gennas.studies.reproduce import Reproduction
from naslib_gennas.studies.reproduction_figures import figures, places
from naslib_gennas.studies.reproduction_runs import Measured
from naslib_gennas.studies.result import writing
from naslib_gennas.truth.metrics import Estimate

COLUMNS = ("line", "column", "measure", "ours", "low", "high", "published", "runs", "n", "core_seconds", "problem")
#: What measures are called in tables; the others by their own names.
NAMES = {"spearman": "Spearman's rho", "kendall": "Kendall's tau", "found": "test accuracy of what was found"}
# With fewer architectures the figures say little.
_FEW = 20


@dataclass(frozen=True)
class Cell:
    """A figure of ours beside the published one.

    Attributes:
        line, column, measure: where it stands.
        ours: with the 95% interval over architectures; of several runs the mean, with the lowest and the highest.
        published: the paper's; of several runs their mean.
        runs: how many of ours it is the mean of.
        n: architectures, or evaluations of a search.
        seconds: core-seconds of each of them.
        problem: why it is blank.
    """

    line: str
    column: str
    measure: str
    ours: Optional[Estimate]
    published: Optional[float]
    runs: int
    n: int
    seconds: float
    problem: str

    @property
    def agrees(self) -> bool:
        """Whether the published figure lies within our interval."""
        return (
            self.ours is not None and self.published is not None and self.ours.low <= self.published <= self.ours.high
        )


def cells(made: Reproduction) -> Iterator[Cell]:
    """All figures, line by line; those of several seeds put together."""
    for measure in made.entry.measures:
        for line, columns in places(made.measured).items():
            for column, runs in columns.items():
                printed = [run.row.published[measure] for run in runs if measure in run.row.published]
                good = [run for run in runs if measure in run.figures]
                if not good and not printed and not runs[0].problem:
                    continue
                known = [run.seconds for run in good if not math.isnan(run.seconds)]
                yield Cell(
                    line,
                    column,
                    measure,
                    _together([run.figures[measure] for run in good]),
                    sum(printed) / len(printed) if printed else None,
                    len(good),
                    max((run.n for run in good), default=0),
                    sum(known) / len(known) if known else math.nan,
                    "" if good else runs[0].problem,
                )


def _together(found: Sequence[Estimate]) -> Optional[Estimate]:
    if len(found) < 2:
        return found[0] if found else None
    values = [one.value for one in found]
    return Estimate(sum(values) / len(values), min(values), max(values))


def write(made: Reproduction, folder: Union[str, Path]) -> Path:
    """Write a reproduction into a folder, which is made if it does not exist.

    report.html, result.json, table.csv (a row a figure), table.tex (booktabs), citations.bib, and the figures as PNG,
    SVG and PDF. A full disk loses these files, not the scores: a warning says so.

    Raises:
        InputError: the folder cannot be made or written to.
    """
    place = files.folder(folder)
    with writing(place):
        files.write_json(place / "result.json", made.to_json())
        with files.Rows(place / "table.csv", COLUMNS) as file:
            for cell in cells(made):
                file.write(_row(cell))
        files.write(place / "table.tex", "\n".join(map(_latex, _tables(made))))
        names = dict.fromkeys(one.row.proxy for one in made.measured if one.row.proxy and one.figures)
        files.write(place / "citations.bib", citations.bibtex(list(names)))
        drawn = figures(made)
        for name, figure in drawn:
            plots.save(figure, place / f"{name}.png", plots.FOR_PAPERS)
        for one in made.measured:
            if one.picture:
                files.write(place / f"{one.row.column}.svg", one.picture)
        files.write(place / "report.html", _render(made, drawn))
    return place


def _row(cell: Cell) -> Dict[str, Any]:
    row = {key: getattr(cell, key) for key in ("line", "column", "measure", "published", "runs", "n", "problem")}
    found = cell.ours.to_json() if cell.ours is not None else {}
    row.update(ours=found.get("value"), low=found.get("low"), high=found.get("high"))
    row["core_seconds"] = None if math.isnan(cell.seconds) else cell.seconds
    return row


@dataclass(frozen=True)
class _Table:
    measure: str
    lines: Tuple[str, ...]
    columns: Tuple[str, ...]
    cells: Dict[Tuple[str, str], Cell]


def _tables(made: Reproduction) -> List[_Table]:
    """A table a measure, as the paper has it: lines and columns."""
    found = []
    for measure in made.entry.measures:
        own = {(cell.line, cell.column): cell for cell in cells(made) if cell.measure == measure}
        if own:
            lines, columns = (tuple(dict.fromkeys(key[at] for key in own)) for at in (0, 1))
            found.append(_Table(measure, lines, columns, own))
    return found


def number(measure: str, value: float) -> str:
    """A figure as tables print it: two digits of a percentage, three significant ones of a cost."""
    if math.isnan(value):
        return "n/a"
    if measure in ("found", "regret"):
        return f"{value:.2f}"
    return f"{value:.3g}" if measure[0] in "psm" and measure != "spearman" else f"{value:.3f}"


def text(cell: Cell) -> Tuple[str, str, str]:
    """Our figure, its interval, and the published one, as a table prints them; empty where there is none."""
    value = span = printed = ""
    if cell.ours is not None:
        value = number(cell.measure, cell.ours.value)
        if not (math.isnan(cell.ours.low) or math.isnan(cell.ours.high)):
            span = f"[{number(cell.measure, cell.ours.low)}, {number(cell.measure, cell.ours.high)}]"
    if cell.published is not None:
        printed = f"{cell.published:.4g}"
    return value, span, printed


def _latex(table: _Table) -> str:
    rows: List[List[Tuple[str, str]]] = [
        [(NAMES.get(table.measure, table.measure), ""), *((c, "") for c in table.columns)]
    ]
    for line in table.lines:
        row = [(line, "")]
        for column in table.columns:
            cell = table.cells.get((line, column))
            value, span, printed = ("", "", "") if cell is None else text(cell)
            row.append((value or "--", " ".join(filter(None, [span, f"paper {printed}" if printed else ""]))))
        rows.append(row)
    return report.booktabs(rows)


def notes(made: Reproduction) -> List[str]:
    """What a reader should know before the numbers."""
    found = [] if made.complete else ["The run was stopped: what was not done is left out. The same command goes on."]
    if made.scale == "small":
        left = sum(row.full for row in made.entry.rows)
        found.append(
            "A small run, for a first look: few architectures, small networks, short trainings. --scale full is as "
            "published." + (f" {left} of {len(made.entry.rows)} rows are left to it." if left else "")
        )
    few = sorted({one.row.space for one in made.measured if one.points and one.n < _FEW})
    if few:
        found.append(f"Fewer than {_FEW} architectures, so that the figures say little: {', '.join(few)}.")
    return [*found, made.entry.remark] if made.entry.remark else found


def blanks(made: Reproduction) -> List[str]:
    """What has no figure, and why, each reason once."""
    found: Dict[str, List[Measured]] = {}
    for one in made.measured:
        if one.problem:
            found.setdefault(one.problem, []).append(one)
    lines = []
    for problem, those in found.items():
        columns = list(dict.fromkeys(one.row.column for one in those))
        rows = list(dict.fromkeys(one.row.line for one in those))
        where = "; ".join(rows) + (f" ({', '.join(columns)})" if len(columns) <= 3 else "")
        lines.append(f"{where}: {problem}")
    return lines


def summaries(made: Reproduction) -> List[str]:
    """Mean and deviation over seeds, where the columns are seeds."""
    found = []
    for line, columns in places(made.measured).items():
        if not all(column.startswith("seed ") for column in columns):
            continue
        runs = [one for those in columns.values() for one in those]
        for who, values in (
            ("here", [one.figures["spearman"].value for one in runs if "spearman" in one.figures]),
            ("published", [one.row.published["spearman"] for one in runs if "spearman" in one.row.published]),
        ):
            if len(values) > 1:
                mean = sum(values) / len(values)
                spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
                found.append(
                    f"{line}, {who}: mean {mean:.3f}, standard deviation {spread:.3f} over {len(values)} seeds."
                )
    return found


def command(made: Reproduction) -> str:
    """The command that repeats a reproduction, as far as its settings tell."""
    parts = ["gennas", "reproduce", made.entry.name, "--scale", made.scale]
    parts += ["--n", made.n] if made.entry.n else []
    parts += ["--seed", str(made.seed)]
    parts += [part for name, value in made.given.items() for part in (f"--{name}", value)]
    parts += [part for folder in made.folders for part in ("--truth-folder", folder)]
    parts += [part for truth in made.truths for part in ("--truth", truth)]
    parts += [] if made.device == "cpu" else ["--device", made.device]
    return " ".join(map(shlex.quote, parts))


def _render(made: Reproduction, drawn: Sequence[Tuple[str, Any]]) -> str:
    """The report as HTML."""
    repeated = any(len(runs) > 1 for columns in places(made.measured).values() for runs in columns.values())
    interval = (
        "In brackets: the lowest and highest of several seeds; of a single run, the 95% interval over architectures. "
        if repeated
        else "In brackets: 95% intervals over architectures. "
    )
    bracketed = any(text(cell)[1] for cell in cells(made))
    tables = []
    for table in _tables(made):
        rows = []
        for line in table.lines:
            own = [table.cells.get((line, column)) for column in table.columns]
            n = max((cell.n for cell in own if cell is not None), default=0)
            rows.append({"line": line, "n": n, "cells": [_html(cell) for cell in own]})
        tables.append({"measure": NAMES.get(table.measure, table.measure), "columns": table.columns, "rows": rows})
    return page.render(
        "reproduction.html",
        f"{made.entry.name}: {made.entry.title}",
        f"arXiv:2108.01899, at the {made.scale} scale; seed {made.seed}, {made.device}.",
        [*notes(made), *summaries(made)],
        command(made),
        figures=[
            {"name": name, "source": report.inline(figure), "wide": figure.get_size_inches()[0] > 8}
            for name, figure in drawn
        ],
        tables=tables,
        reading=(f"{interval}Coloured: the published figure lies within. " if bracketed else "")
        + "A dash: no figure, for the reason below.",
        blanks=blanks(made),
        pictures=[
            {"name": one.row.column, "source": _data_url(one.picture), "arch": one.arch, "export": one.export}
            for one in made.measured
            if one.picture
        ],
    )


def _html(cell: Optional[Cell]) -> Dict[str, str]:
    if cell is None:
        return {"value": "", "interval": "", "published": "", "kind": "", "why": ""}
    value, span, printed = text(cell)
    kind = "agrees" if cell.agrees else "" if value else "blank"
    return {"value": value or "–", "interval": span, "published": printed, "kind": kind, "why": cell.problem}


def _data_url(picture: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.encode()).decode()}"

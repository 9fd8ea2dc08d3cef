"""The tables and the HTML report of a comparison: one file, figures inline, no network, no scripts."""

from __future__ import annotations

import base64
import io
import itertools
import json
import math
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Set, Tuple, Union

from naslib_gennas import files
from naslib_gennas import truth as truths
from naslib_gennas.studies import citations, comparison_figures, page, plots
from naslib_gennas.studies.comparison import FEW, Column, Comparison
from naslib_gennas.studies.result import writing
from naslib_gennas.truth.metrics import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ESTIMATES = ("spearman", "kendall", "retrieval", "difference")
COLUMNS = (
    "proxy",
    *(f"{name}{part}" for name in ESTIMATES for part in ("", "_low", "_high")),
    "p_holm",
    "significant",
    "core_seconds",
    "not_ok",
    "problem",
)


def write(comparison: Comparison, folder: Union[str, Path]) -> Path:
    """Write a comparison into a folder, which is made if it does not exist.

    report.html, result.json, table.csv and scores.csv; for a paper: table.tex (booktabs), citations.bib (what the
    proxies come from) and all figures as SVG and PDF.

    A full disk loses these files, not the scores: a warning says so.

    Raises:
        InputError: the folder cannot be made.
    """
    place = files.made(folder)
    scored = [column for column in comparison.columns if column.scores]
    with writing(place):
        files.write_json(place / "result.json", comparison.to_json())
        with files.Rows(place / "table.csv", COLUMNS) as file:
            for row in rows(comparison):
                file.write(row)
        with files.Rows(place / "scores.csv", ["arch", "truth", *(column.name for column in scored)]) as file:
            for i, (arch, value) in enumerate(zip(comparison.architectures, comparison.values)):
                file.write({"arch": arch, "truth": value, **{column.name: column.scores[i] for column in scored}})
        files.write(place / "report.html", render(comparison))
        files.write(place / "table.tex", latex(comparison))
        files.write(place / "citations.bib", citations.bibtex([column.name for column in comparison.columns]))
        _write_figures(comparison, files.folder(place / "figures"))
    return place


def rows(comparison: Comparison) -> List[Dict[str, Any]]:
    """One mapping per proxy, with numbers as they are: what table.csv holds."""
    return column_rows(comparison.columns)


def column_rows(columns: Sequence[Column]) -> List[Dict[str, Any]]:
    """One mapping per column, by the names of `COLUMNS`."""
    found = []
    for column in columns:
        row: Dict[str, Any] = {"proxy": column.name}
        for name in ESTIMATES:
            estimate = getattr(column, name)
            for part, attribute in (("", "value"), ("_low", "low"), ("_high", "high")):
                number = None if estimate is None else getattr(estimate, attribute)
                row[f"{name}{part}"] = None if number is None or math.isnan(number) else number
        row["p_holm"], row["significant"] = column.p, column.significant
        row["core_seconds"] = None if math.isnan(column.seconds) else column.seconds
        row["not_ok"] = sum(column.not_ok.values())
        row["problem"] = column.problem
        found.append(row)
    return found


def heads(comparison: Comparison) -> Tuple[str, ...]:
    """The head of the table for people."""
    if comparison.truth is None:
        return ("proxy", "core-seconds", "not ok")
    first = next((column.name for column in comparison.columns if column.scored), "the first")
    return (
        "proxy",
        "Spearman rho",
        "Kendall tau",
        f"top {comparison.top_percent:g}%",
        f"rho less {first}'s",
        "significant",
        "core-seconds",
        "not ok",
    )


def cells(comparison: Comparison, column: Column) -> List[Tuple[str, str]]:
    """The table's cells after the proxy's name: value and interval."""
    found = []
    if comparison.truth is not None:
        for name in ESTIMATES:
            value, _, interval = _text(getattr(column, name)).partition(" ")
            found.append((value, interval))
        found.append(({True: "yes", False: "no", None: ""}[column.significant], ""))
    found.append(("" if math.isnan(column.seconds) else f"{column.seconds:.3g}", ""))
    found.append((", ".join(f"{count} {status}" for status, count in column.not_ok.items()) or "0", ""))
    return found


def latex(comparison: Comparison) -> str:
    """The table for a paper: needs the package booktabs. Intervals are small, beside their values."""
    head = heads(comparison)
    table: List[List[Tuple[str, str]]] = [[(text, "") for text in head]]
    for column in comparison.columns:
        found = [("--", "")] * (len(head) - 1) if column.problem else cells(comparison, column)
        table.append([(column.name, ""), *found])
    return booktabs(table)


def booktabs(table: Sequence[Sequence[Tuple[str, str]]]) -> str:
    """A table of (value, interval) cells, its head first, as LaTeX; it needs the package booktabs."""
    lines = []
    for row in table:
        texts = [_tex(value) + (rf" {{\scriptsize {_tex(span)}}}" if span else "") for value, span in row]
        first = "{}" * texts[0].startswith(("[", "*"))  # after the end of a row these would be its options
        lines.append(first + " & ".join(texts) + r" \\")
    columns = "l" + "r" * (len(table[0]) - 1)
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _tex(text: str) -> str:
    """A text as LaTeX has to write it."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special.update({"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"})
    special.update({sign: rf"\{sign}" for sign in "&%$#_{}"})
    return "".join(special.get(sign, sign) for sign in text)


def _write_figures(comparison: Comparison, folder: Path) -> None:
    """The figures as SVG and PDF: cost, and the ranks of each proxy."""
    cost = comparison_figures.cost(comparison)
    made = [("cost", cost)] if cost is not None else []
    taken: Set[str] = set()
    for name, figure in [*made, *comparison_figures.scatters(comparison)]:
        plain = re.sub(r"[^\w.+-]+", "-", name).strip(".-")[:80] or "proxy"
        numbers = (plain if number == 1 else f"{plain}-{number}" for number in itertools.count(1))
        file = next(one for one in numbers if one.lower() not in taken)  # some disks know no capitals
        taken.add(file.lower())
        for ending in ("svg", "pdf"):
            plots.save(figure, folder / f"{file}.{ending}")


def notes(comparison: Comparison) -> List[str]:
    """What a reader should know before the numbers."""
    found = []
    known = comparison.n if comparison.truth is None else int(comparison.truth["matched"])
    if not comparison.complete:
        found.append("The run was stopped: proxies that were not done are left out.")
    if comparison.truth is not None and known < FEW:
        found.append(f"Only {known} architectures have a true value: the intervals say little.")
    if comparison.truth is not None:
        found += [f"{remark[0].upper()}{remark[1:]}." for remark in comparison.truth.get("remarks", ())]
    for column in comparison.columns:
        for status, count in column.not_ok.items():
            if status in ("failed", "diverged"):
                found.append(f"{column.name}: {count} {status}, ranked last ({column.reasons[status]}).")
    return found


def command(comparison: Comparison) -> str:
    """The command that repeats a comparison, as far as its settings tell."""
    names = ",".join(column.name for column in comparison.columns if not column.name.startswith("naslib:"))
    given = comparison.given
    parts = ["gennas", "compare", comparison.space, "--proxies", given.get("proxies", names)]
    parts += ["--archs", given["archs"]] if "archs" in given else ["--n", str(comparison.n)]
    parts += ["--seed", str(comparison.seed)]
    if comparison.truth is None:
        parts += ["--truth", "none"]
    else:
        named = given.get("truth", truths.INSTALLED)
        parts += ["--truth", str(comparison.truth["name"]) if named == truths.INSTALLED else named]
        if comparison.truth.get("decided") == "asked":
            parts.append("--higher-is-better" if comparison.truth["higher_is_better"] else "--lower-is-better")
    if comparison.inputs is not None:
        parts += ["--inputs", comparison.inputs]
    for name, usual in (("profile", None), ("initialise", None), ("top", "10.0")):
        if given.get(name, usual) != usual:
            parts += [f"--{name}", given[name]]
    if any(column.name.startswith("naslib:") for column in comparison.columns):
        parts += ["--via", "naslib"]
    return " ".join(map(shlex.quote, parts))


def render(comparison: Comparison) -> str:
    """The report as HTML."""
    truth, cost = comparison.truth, comparison_figures.cost(comparison)
    known = ""
    if truth is not None:
        better = truth.get("direction") or f"{'higher' if truth['higher_is_better'] else 'lower'} is better"
        known = f"; truth {truth['name']} ({better}), known for {truth['matched']} of them"
    return page.render(
        "comparison.html",
        title=f"{len(comparison.columns)} proxies on {comparison.space}",
        summary=f"{comparison.n} architectures, seed {comparison.seed}, inputs "
        f"{comparison.inputs or 'as is usual for each proxy'}{known}.",
        notes=notes(comparison),
        command=command(comparison),
        heads=heads(comparison),
        joined=cost is not None and comparison_figures.joined(cost),
        numbered=cost is not None and comparison_figures.numbered(cost),
        rows=[
            {
                "proxy": column.name,
                "front": column.name in comparison.front,
                "problem": column.problem,
                "cells": [{"value": value, "interval": span} for value, span in cells(comparison, column)],
            }
            for column in comparison.columns
        ],
        cost_figure="" if cost is None else inline(cost),
        scatters=[{"name": name, "source": inline(made)} for name, made in comparison_figures.scatters(comparison)],
        matrix_names=[column.name for column in comparison.columns],
        matrix=[
            {"name": column.name, "cells": [_cell(value) for value in line]}
            for column, line in zip(comparison.columns, comparison.agreement)
        ],
        settings=[
            {"name": column.name, "text": json.dumps(column.settings, indent=1, default=str)}
            for column in comparison.columns
        ],
    )


def _text(estimate: Optional[Estimate]) -> str:
    return "" if estimate is None else str(estimate)


def _cell(value: float) -> Dict[str, str]:
    """A cell of the agreement matrix: blue for agreement, red for contradiction."""
    if math.isnan(value):
        return {"text": "n/a", "colour": "transparent"}
    shade = abs(value) * 0.55
    colour = f"rgba(31, 111, 180, {shade:.2f})" if value >= 0 else f"rgba(200, 60, 50, {shade:.2f})"
    return {"text": f"{value:.2f}", "colour": colour}


def inline(made: Figure) -> str:
    """A figure as a data URL: an image of its own, so that no two figures share the names inside them."""
    picture = io.BytesIO()
    plots.literal(made)
    made.savefig(picture, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.getvalue()).decode()}"

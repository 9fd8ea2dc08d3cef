"""The tables and the HTML report of a comparison: one file, figures inline, no network, no scripts."""

from __future__ import annotations

import base64
import io
import json
import math
import platform
import shlex
import warnings
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple, Union

import numpy as np
import torch

from naslib_gennas import __version__, files
from naslib_gennas.errors import InputError
from naslib_gennas.proxies import aggregation
from naslib_gennas.studies import plots
from naslib_gennas.studies.comparison import FEW, Column, Comparison
from naslib_gennas.truth.metrics import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEST = "#1f6fb4"
#: With more proxies than this, most points of the cost plot have the number of their row for a name.
NAMED = 10
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
    """Write report.html, result.json, table.csv and scores.csv into a folder, which is made where it is not there.

    A full disk loses these files, not the scores: a warning says so.

    Raises:
        InputError: the folder cannot be made or written to.
    """
    place = files.folder(folder)
    scored = [column for column in comparison.columns if column.scores]
    try:
        files.write_json(place / "result.json", comparison.to_json())
        with files.Rows(place / "table.csv", COLUMNS) as file:
            for row in rows(comparison):
                file.write(row)
        with files.Rows(place / "scores.csv", ["arch", "truth", *(column.name for column in scored)]) as file:
            for i, (arch, value) in enumerate(zip(comparison.architectures, comparison.values)):
                file.write({"arch": arch, "truth": value, **{column.name: column.scores[i] for column in scored}})
        (place / "report.html").write_text(render(comparison), encoding="utf-8")
    except (OSError, InputError) as error:
        warnings.warn(f"the results in '{place}' are not complete: {error}", RuntimeWarning, stacklevel=2)
    return place


def rows(comparison: Comparison) -> List[Dict[str, Any]]:
    """One mapping a proxy, with numbers as they are: what table.csv holds."""
    found = []
    for column in comparison.columns:
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
    parts = ["gennas", "compare", comparison.space, "--proxies", names, "--n", str(comparison.n)]
    parts += ["--seed", str(comparison.seed)]
    if comparison.truth is not None:
        parts += ["--truth", str(comparison.truth["name"])]
        if comparison.truth.get("decided") == "asked":
            parts.append("--higher-is-better" if comparison.truth["higher_is_better"] else "--lower-is-better")
    if comparison.inputs is not None:
        parts += ["--inputs", comparison.inputs]
    if any(column.name.startswith("naslib:") for column in comparison.columns):
        parts += ["--via", "naslib"]
    return " ".join(map(shlex.quote, parts))


def render(comparison: Comparison) -> str:
    """The report as HTML."""
    from jinja2 import Environment, select_autoescape

    template = (resources.files("naslib_gennas") / "data" / "comparison.html").read_text(encoding="utf-8")
    truth = comparison.truth
    known = ""
    if truth is not None:
        better = truth.get("direction") or f"{'higher' if truth['higher_is_better'] else 'lower'} is better"
        known = f"; truth {truth['name']} ({better}), which has {truth['matched']} of them"
    return (
        Environment(autoescape=select_autoescape(default_for_string=True), trim_blocks=False)
        .from_string(template)
        .render(
            title=f"{len(comparison.columns)} proxies on {comparison.space}",
            summary=f"{comparison.n} architectures, seed {comparison.seed}, inputs "
            f"{comparison.inputs or 'as each proxy usually has them'}{known}.",
            notes=notes(comparison),
            heads=heads(comparison),
            numbered=len(comparison.columns) > NAMED,
            rows=[
                {
                    "proxy": column.name,
                    "front": column.name in comparison.front,
                    "problem": column.problem,
                    "cells": [{"value": value, "interval": span} for value, span in cells(comparison, column)],
                }
                for column in comparison.columns
            ],
            cost_figure=_cost_figure(comparison),
            scatters=_scatters(comparison),
            matrix_names=[column.name for column in comparison.columns],
            matrix=[
                {"name": column.name, "cells": [_cell(value) for value in line]}
                for column, line in zip(comparison.columns, comparison.agreement)
            ],
            command=command(comparison),
            versions=f"naslib-gennas {__version__}, torch {torch.__version__}, Python {platform.python_version()}, "
            f"{platform.system()} {platform.machine()}.",
            settings=[
                {"name": column.name, "text": json.dumps(column.settings, indent=1, default=str)}
                for column in comparison.columns
            ],
        )
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


def _scatters(comparison: Comparison) -> List[Dict[str, str]]:
    """Ranks by score against ranks by truth, a figure a proxy."""
    if comparison.truth is None:
        return []
    known = [index for index, value in enumerate(comparison.values) if value is not None]
    sign = 1.0 if comparison.truth["higher_is_better"] else -1.0
    truth = aggregation.ranks([sign * value for value in comparison.values if value is not None])
    found = []
    for column in comparison.columns:
        if not column.scored or not known:
            continue
        scores = np.array([column.scores[index] for index in known])
        made, axes = plots.figure(3.6, 3.0)
        axis, ranked, finite = axes[0, 0], aggregation.ranks(scores), np.isfinite(scores)
        axis.scatter(ranked[finite], truth[finite], s=12, alpha=0.6, linewidths=0, color=BEST)
        axis.scatter(ranked[~finite], truth[~finite], s=14, facecolors="none", edgecolors="#c83c32")
        axis.set_xlabel("rank by score", fontsize=9)
        axis.set_ylabel("rank by truth", fontsize=9)
        axis.set_title(f"{_short(column.name)}\nrho {_text(column.spearman)}", fontsize=9)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.3)
        found.append({"name": column.name, "source": _inline(made)})
    return found


def _cost_figure(comparison: Comparison) -> str:
    """Rho with its interval against core-seconds, the Pareto front drawn through; empty without truth."""
    shown = [
        (column, column.spearman)
        for column in comparison.columns
        if column.spearman is not None and not math.isnan(column.spearman.value) and column.seconds > 0
    ]
    if not shown:
        return ""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    made, axes = plots.figure(5.0, 4.0)
    axis = axes[0, 0]
    axis.set_xscale("log")
    for column, rho in shown:
        colour = _colour(comparison, column)
        axis.plot([column.seconds] * 2, [rho.low, rho.high], color=colour, linewidth=1, alpha=0.5)
        axis.plot(column.seconds, rho.value, "o", color=colour, markersize=5)
    front = sorted((column.seconds, rho.value) for column, rho in shown if column.name in comparison.front)
    axis.step(*zip(*front), where="post", color=BEST, linewidth=1, linestyle="--")
    axis.margins(x=0.1)
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.tick_params(labelsize=8)
    axis.set_xlabel("core-seconds an architecture", fontsize=9)
    axis.set_ylabel("Spearman rho, 95% interval", fontsize=9)
    axis.grid(alpha=0.3, which="both")
    made.canvas.draw()  # places the axes, which the labels go by
    taken: List[Tuple[float, float, float, float]] = []
    numbers = {column.name: str(number) for number, column in enumerate(comparison.columns, start=1)}
    for column, rho in sorted(shown, key=lambda one: one[0].name not in comparison.front):
        named = len(comparison.columns) <= NAMED or column.name in comparison.front
        text = column.name if named else numbers[column.name]
        _label(axis, text, (column.seconds, rho.value), _colour(comparison, column), taken)
    return _inline(made)


def _colour(comparison: Comparison, column: Column) -> str:
    return BEST if column.name in comparison.front else "#5b6b7b"


def _short(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:21]}…"


def _label(
    axis: Any, name: str, point: Tuple[float, float], colour: str, taken: List[Tuple[float, float, float, float]]
) -> None:
    """Write a name beside its point, inside the axes and on no other name where that can be had."""
    text = _short(name)
    x, y = axis.transData.transform(point)
    frame = axis.get_window_extent()
    width, height = 4.6 * len(text) * axis.figure.dpi / 72, 9 * axis.figure.dpi / 72
    steps = [(side, place) for place in (0.35, -1.1, 1.4, -2.2, 2.5, -3.3) for side in (1, -1)]
    boxes = [(x + (6 if side > 0 else -6 - width), y + place * height, side) for side, place in steps]
    free = [
        (left, low, side)
        for left, low, side in boxes
        if frame.x0 <= left and left + width <= frame.x1 and frame.y0 <= low and low + height <= frame.y1
        if not any(left < x1 and x0 < left + width and low < y1 and y0 < low + height for x0, y0, x1, y1 in taken)
    ]
    left, low, side = (free or boxes)[0]
    taken.append((left, low, left + width, low + height))
    anchor = axis.transData.inverted().transform((left if side > 0 else left + width, low))
    axis.text(*anchor, text, fontsize=8, color=colour, ha="left" if side > 0 else "right", va="bottom")


def _inline(made: Figure) -> str:
    """A figure as a data URL: an image of its own, so that no two figures share the names inside them."""
    picture = io.BytesIO()
    plots.literal(made)
    made.savefig(picture, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.getvalue()).decode()}"

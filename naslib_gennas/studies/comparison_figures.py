"""The figures of a comparison: rank by score against rank by truth, and agreement against cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, List, Optional, Tuple

import numpy as np

from naslib_gennas.proxies import aggregation
from naslib_gennas.studies import plots, point_names
from naslib_gennas.studies.comparison import Column, Comparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FRONT, LAST, OTHER = plots.BLUE, plots.VERMILION, plots.GREY
FRONT_LINE = "--"
#: With more proxies than this, most points of the cost plot have the number of their row for a name.
NAMED = 10


def scatters(comparison: Comparison) -> List[Tuple[str, Figure]]:
    """Ranks by score against ranks by truth: a figure for each proxy with scores; what ranks last is hollow."""
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
        axis.scatter(ranked[finite], truth[finite], s=12, alpha=0.6, linewidths=0, color=FRONT)
        axis.scatter(ranked[~finite], truth[~finite], s=14, facecolors="none", edgecolors=LAST)
        axis.set_xlabel("rank by score", fontsize=9)
        axis.set_ylabel("rank by truth", fontsize=9)
        axis.set_title(
            f"{point_names.short(column.name)}\nrho {column.spearman if column.spearman is not None else ''}",
            fontsize=9,
        )
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.3)
        found.append((column.name, made))
    return found


def cost(comparison: Comparison) -> Optional[Figure]:
    """Rho with its interval against core-seconds, the Pareto front (filled) drawn through; None without truth."""
    shown = [
        (column, column.spearman)
        for column in comparison.columns
        if column.spearman is not None and not math.isnan(column.spearman.value) and column.seconds > 0
    ]
    if not shown:
        return None
    made, axes = plots.figure(5.0, 4.0)
    axis = axes[0, 0]
    plots.logarithmic(axis, "x")
    for column, rho in shown:
        colour = _colour(comparison, column)
        axis.plot([column.seconds] * 2, [rho.low, rho.high], color=colour, linewidth=1, alpha=0.5)
        inside = colour if column.name in comparison.front else "white"
        axis.plot(column.seconds, rho.value, "o", color=colour, markerfacecolor=inside, markersize=5)
    front = sorted((column.seconds, rho.value) for column, rho in shown if column.name in comparison.front)
    if len(front) > 1:
        axis.step(*zip(*front), where="post", color=FRONT, linewidth=1, linestyle=FRONT_LINE)
    axis.margins(x=0.18)
    axis.tick_params(labelsize=8)
    axis.set_xlabel("core-seconds per architecture", fontsize=9)
    axis.set_ylabel("Spearman rho, 95% interval", fontsize=9)
    axis.grid(alpha=0.3, which="both")
    made.canvas.draw()  # places the axes, which the labels go by
    # No name covers a point, an interval, or the line of the front.
    taken = [point_names.extent(axis, column.seconds, rho.low, rho.high) for column, rho in shown]
    for left, right in zip(front, front[1:]):
        taken += point_names.between(axis, left, right)
    numbers = {column.name: str(number) for number, column in enumerate(comparison.columns, start=1)}
    for column, rho in sorted(shown, key=lambda one: one[0].name not in comparison.front):
        named = len(comparison.columns) <= NAMED or column.name in comparison.front
        texts = [point_names.short(column.name), numbers[column.name]] if named else [numbers[column.name]]
        point_names.label(axis, texts, (column.seconds, rho.value), _colour(comparison, column), taken)
    return made


def numbered(made: Figure) -> bool:
    """Whether a point of a cost figure has a number for a name."""
    return any(text.get_text().isdigit() for text in made.axes[0].texts)


def joined(made: Figure) -> bool:
    """Whether a cost figure has the line of a front: one proxy alone has none."""
    return any(line.get_linestyle() == FRONT_LINE for line in made.axes[0].get_lines())


def _colour(comparison: Comparison, column: Column) -> str:
    return FRONT if column.name in comparison.front else OTHER

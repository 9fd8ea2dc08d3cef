"""The figures of a reproduction: ours beside the paper's, and those that the paper itself has."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from naslib_gennas.studies import plots
from naslib_gennas.studies.reproduce import Reproduction
from naslib_gennas.studies.reproduction_runs import Measured
from naslib_gennas.truth.metrics import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: In the order of lines: the colours of Okabe and Ito, which the colour-blind tell apart, and markers for grey prints.
COLOURS = (plots.BLUE, plots.VERMILION, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", plots.GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
Places = Dict[str, Dict[str, List[Measured]]]


def figures(made: Reproduction) -> List[Tuple[str, Figure]]:
    """The figures of a reproduction, each with a name; none where nothing to draw was measured."""
    found = [(name, draw(made)) for name, draw in _FIGURES.get(made.entry.name, ()) if _measured(made)]
    return [(name, figure) for name, figure in found if figure is not None]


def _measured(made: Reproduction) -> List[Measured]:
    return [one for one in made.measured if one.figures]


def places(measured: Sequence[Measured]) -> Places:
    """What is measured by line and column; several of a place are runs of several seeds."""
    found: Places = {}
    for one in measured:
        found.setdefault(one.row.line, {}).setdefault(one.row.column, []).append(one)
    return found


def against_paper(made: Reproduction) -> Optional[Figure]:
    """Each of our figures against the published one, with its interval; None where fewer than three are published."""
    measure = made.entry.measures[0]
    lines = places(_measured(made))
    pairs = [
        (place, one.row.published[name], one.figures[name])
        for place, line in enumerate(lines)
        for column in lines[line].values()
        for one in column
        for name in one.figures
        if name in one.row.published and (name == measure or measure not in one.row.published)
    ]
    if len(pairs) < 3:
        return None
    figure, axes = plots.figure(5.2, 4.6)
    axis = axes[0, 0]
    for place, line in enumerate(lines):
        own = [(published, ours) for at, published, ours in pairs if at == place]
        if not own:
            continue
        x, y = [published for published, _ in own], [ours.value for _, ours in own]
        reach = [[_reach(ours, low) for _, ours in own] for low in (True, False)]
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        axis.errorbar(x, y, reach, fmt=marker, color=colour, elinewidth=0.6, markersize=5, label=line)
    ends = [min(axis.get_xlim()[0], axis.get_ylim()[0]), max(axis.get_xlim()[1], axis.get_ylim()[1])]
    axis.plot(ends, ends, color=plots.GREY, linewidth=0.8, zorder=0)
    axis.set_xlabel("published")
    axis.set_ylabel("here")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _reach(ours: Estimate, low: bool) -> float:
    end = ours.low if low else ours.high
    return 0.0 if math.isnan(end) else abs(ours.value - end)


def scatters(made: Reproduction) -> Figure:
    """Score against accuracy for each method: the paper's figure 5.

    An accuracy far below all others, of a network that learnt nothing, is an arrow at the lower edge.
    """
    shown = [one for one in _measured(made) if one.points]
    width = 5
    figure, axes = plots.figure(2.4, 2.2, -(-len(shown) // width), width)
    for axis, one in zip(axes.flat, shown):
        x, y = (np.array(values, dtype=float) for values in zip(*one.points))
        known = np.isfinite(x)
        first, third = np.percentile(y, (25, 75))
        far = y < first - 6 * max(third - first, 1e-9)
        edge = y[~far].min() - 0.12 * np.ptp(y[~far])
        near, below = known & ~far, known & far
        axis.scatter(x[near], y[near], s=9, alpha=0.7, linewidths=0, color=plots.BLUE)
        axis.scatter(x[below], np.full(below.sum(), edge), s=14, marker="v", linewidths=0, color=plots.VERMILION)
        axis.set_title(f"{one.row.column}: {one.figures['spearman'].value:.2f}", fontsize=8)
        axis.tick_params(labelsize=6)
        axis.locator_params(axis="x", nbins=4)
        axis.grid(alpha=0.3)
        if axis in axes[:, 0]:
            axis.set_ylabel(one.row.line, fontsize=7)
    for axis in list(axes.flat)[len(shown) :]:
        axis.set_axis_off()
    figure.supxlabel("score", fontsize=8)
    return figure


def seeds(made: Reproduction) -> Figure:
    """A point a seed, ours and the published ones, a line each."""
    lines = places(made.measured)
    figure, axes = plots.figure(6.0, 0.8 + 0.8 * len(lines))
    axis = axes[0, 0]
    for place, columns in enumerate(lines.values()):
        rows = [one for column in columns.values() for one in column]
        ours = [one.figures["spearman"].value for one in rows if one.figures]
        published = [one.row.published["spearman"] for one in rows if one.row.published]
        for values, height, colour, marker, label in (
            (ours, 0.12, plots.BLUE, "o", "here"),
            (published, -0.12, plots.VERMILION, "s", "published"),
        ):
            at = [place + height] * len(values)
            axis.scatter(values, at, s=26, color=colour, marker=marker, alpha=0.7, label=label if not place else None)
    axis.set_yticks(range(len(lines)), list(lines))
    axis.set_ylim(-0.6, len(lines) - 0.4)
    axis.set_xlabel("Spearman's rho")
    axis.grid(alpha=0.3, axis="x")
    axis.legend(fontsize=8, frameon=False)
    return figure


def curves(made: Reproduction) -> Optional[Figure]:
    """How searches develop: the mean over seeds, and the band from the lowest to the highest; a panel a line."""
    lines = places([one for one in _measured(made) if one.curve])
    if not lines:
        return None
    wide = min(3, len(lines))
    figure, axes = plots.figure(4.2, 3.2, -(-len(lines) // wide), wide)
    for axis, (name, columns) in zip(axes.flat, lines.items()):
        for place, (column, runs) in enumerate(columns.items()):
            x, table = _aligned([one.curve for one in runs])
            colour, style = COLOURS[place], ("-", "--", ":", "-.")[place % 4]
            axis.plot(x, table.mean(0), color=colour, linestyle=style, label=f"{column} ({len(runs)} seeds)")
            axis.fill_between(x, table.min(0), table.max(0), color=colour, alpha=0.18, linewidth=0)
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("evaluations")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7, frameon=False)
        axis.set_ylabel("regret" if made.entry.kind == "searches" else made.entry.measures[0])
    for axis in list(axes.flat)[len(lines) :]:
        axis.set_axis_off()
    return figure


def _aligned(found: Sequence[Sequence[Tuple[float, float]]]) -> Tuple[np.ndarray, np.ndarray]:
    """Several curves at the evaluations that all of them have: (points,), (curves, points)."""
    shared = sorted(set.intersection(*({x for x, _ in curve} for curve in found)))
    return np.array(shared), np.array([[dict(curve)[x] for x in shared] for curve in found])


def boxes(made: Reproduction) -> Figure:
    """Rho by images in the batch and by iterations: a box is the distribution over seeds (sections A.3.1 and A.3.2)."""
    lines = places(_measured(made))
    left = {name: columns for name, columns in lines.items() if not name.startswith("iterations")}
    right = {name: columns for name, columns in lines.items() if name.startswith("iterations")}
    figure, axes = plots.figure(6.0, 3.4, 1, 1 + bool(right))
    for axis, group, label in zip(axes[0], (left, right), ("images in the batch", "iterations")):
        names = list(dict.fromkeys(column for columns in group.values() for column in columns))
        for place, (line, columns) in enumerate(group.items()):
            offset = 0.3 * (place - (len(group) - 1) / 2)
            values = [[one.figures["spearman"].value for one in columns.get(name, ())] for name in names]
            values = [[value for value in those if not math.isnan(value)] for those in values]
            colour, marker = COLOURS[place], MARKERS[place]
            at = [index + offset for index in range(len(names))]
            drawn = axis.boxplot(values, positions=at, widths=0.24, showfliers=False, manage_ticks=False)
            for part in ("boxes", "whiskers", "caps", "medians"):
                for piece in drawn[part]:
                    piece.set_color(colour)
            points = [(x, value) for x, those in zip(at, values) for value in those]
            if points:
                x, y = zip(*points)
                axis.scatter(x, y, s=14, color=colour, marker=marker, alpha=0.7, linewidths=0, label=line)
        axis.set_xticks(range(len(names)), [name.split()[0] for name in names])
        axis.set_xlabel(label)
        axis.set_ylabel("Spearman's rho")
        axis.grid(alpha=0.3, axis="y")
        axis.legend(fontsize=8, frameon=False)
    return figure


def costs(made: Reproduction) -> Figure:
    """Seconds and memory of an iteration by batch size, a line a search space."""
    lines = places(_measured(made))
    figure, axes = plots.figure(5.0, 4.0, 1, 2)
    for axis, measure in zip(axes[0], made.entry.measures):
        for place, (name, columns) in enumerate(lines.items()):
            x = [int(column.split()[-1]) for column in columns]
            y = [runs[0].figures[measure].value for runs in columns.values()]
            colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
            style = ("-", "--")[place // len(COLOURS) % 2]
            axis.plot(x, y, marker=marker, color=colour, linestyle=style, linewidth=1, label=name)
        plots.logarithmic(axis, "x", base=2)
        plots.logarithmic(axis, "y")
        axis.set_xlabel("batch size")
        axis.set_ylabel(measure)
        axis.grid(alpha=0.3)
    axes[0, 1].legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


_FIGURES: Mapping[str, Sequence[Tuple[str, Callable[[Reproduction], Optional[Figure]]]]] = {
    **{name: (("against-paper", against_paper),) for name in ("table1", "table2", "table7", "table8", "table9")},
    "table3": (("regret", curves), ("against-paper", against_paper)),
    "table5": (("seeds", seeds),),
    "table10": (("costs", costs),),
    "figure5": (("scatter", scatters),),
    "figure6": (("convergence", curves),),
    "figure8": (("batches-and-iterations", boxes),),
}

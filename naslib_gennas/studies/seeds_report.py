"""The files of searches under several seeds: result.json, band.csv and the picture search.png (.svg, .pdf)."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Union

import numpy as np

from naslib_gennas import files
from naslib_gennas.studies import plots
from naslib_gennas.studies.course import Course, rows
from naslib_gennas.studies.result import writing
from naslib_gennas.studies.search_report import AXES, LINES, quantities
from naslib_gennas.truth.table import Truth

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from naslib_gennas.studies.seeds import Several

_VALUES = ("best_score", "best_truth", "regret")
COLUMNS = ("method", "evaluation", "seeds", *(f"{value}_{part}" for value in _VALUES for part in ("mean", "deviation")))
# Points of a curve over core-seconds.
_POINTS = 200


def write(several: Several, folder: Path) -> None:
    """Write result.json and, of searches that are done, band.csv and search.png; a full disk loses these files only."""
    with writing(folder):
        files.write_json(folder / "result.json", several.to_json())
        if not several.complete:
            return
        with files.Rows(folder / "band.csv", COLUMNS) as file:
            for courses in (several.courses(), several.courses(control=True)):
                for row in _band_rows(courses, several.searches[0].truth):
                    file.write(row)
        if several.courses() and not several.failure:
            plot(several, folder / "search.png")


def band(courses: Sequence[Course], truth: Optional[Truth], value: str, along: str, at: np.ndarray) -> np.ndarray:
    """What the best so far have at some places: their mean, standard deviation and number, (3, places).

    Args:
        courses: one a seed.
        truth: where true values are from.
        value: "best_score", "best_truth" or "regret".
        along: "evaluation" or "spent" (core-seconds).
        at: the places; before its first step, and where its value is not known, a course does not count.
    """
    curves = np.full((len(courses), len(at)), np.nan)
    for curve, course in zip(curves, courses):
        told = rows(course, truth)
        places = [row[along] for row in told]
        values = [math.nan if row[value] is None or not math.isfinite(row[value]) else row[value] for row in told]
        last = np.searchsorted(places, at, side="right") - 1
        curve[last >= 0] = np.array(values)[last[last >= 0]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of places at which nothing is known
        mean, deviation, known = np.nanmean(curves, 0), np.nanstd(curves, 0, ddof=1), (~np.isnan(curves)).sum(0)
    return np.array([mean, np.where(known > 1, deviation, 0.0), known])


def plot(several: Several, path: Union[str, Path]) -> Path:
    """Draw `curves` into a file, and beside it as SVG and PDF."""
    return plots.save(curves(several), path, plots.FOR_PAPERS)


def curves(several: Several) -> Figure:
    """The score, true value and regret of the best so far by evaluations and by core-seconds, as mean over the seeds
    with a band of one standard deviation, for the search and for random search."""
    found = several.searches[0]
    wanted = quantities(found.truth, several.courses())
    made, axes = plots.figure(4.5, 2.6, len(wanted), len(AXES))
    groups = [(courses, colour) for courses, colour in _groups(several) if courses]
    for line, (value, label) in zip(axes, wanted):
        for axis, (along, words) in zip(line, AXES.items()):
            for courses, colour in groups:
                at = _places(courses, along)
                mean, deviation, known = band(courses, found.truth, value, along, at)
                mean[known < known.max()] = np.nan  # the mean of some of the seeds would jump as others come in
                name = f"{courses[0].method}, {len(courses)} seeds"
                axis.step(at, mean, where="post", color=colour, linestyle=LINES[colour], label=name)
                axis.fill_between(at, mean - deviation, mean + deviation, step="post", color=colour, alpha=0.2, lw=0)
            axis.grid(alpha=0.3)
            axis.set_xlabel(words)
        line[0].set_ylabel(label, fontsize=8)
    axes[-1, 0].legend(frameon=False, fontsize=8)
    title = f"{found.settings['proxy']} on {found.settings['space']}: mean and one standard deviation"
    made.suptitle(title, fontsize=10)
    return made


def _groups(several: Several) -> List[Any]:
    return [(several.courses(), plots.BLUE), (several.courses(control=True), plots.VERMILION)]


def _places(courses: Sequence[Course], along: str) -> np.ndarray:
    """Where the courses of a method are looked at: from the first step to the end of the shortest."""
    if along == "evaluation":
        return np.arange(1, min(len(course.steps) for course in courses) + 1)
    return np.linspace(0.0, min(course.looking_seconds for course in courses), _POINTS)


def _band_rows(courses: Sequence[Course], truth: Optional[Truth]) -> List[Dict[str, Any]]:
    """A row an evaluation, with mean and standard deviation over the seeds."""
    if not courses:
        return []
    at = _places(courses, "evaluation")
    bands = {value: band(courses, truth, value, "evaluation", at) for value in _VALUES}
    found = []
    for index, evaluation in enumerate(at):
        row: Dict[str, Any] = {"method": courses[0].method, "evaluation": int(evaluation), "seeds": len(courses)}
        for value, (mean, deviation, known) in bands.items():
            if known[index]:
                row.update({f"{value}_mean": mean[index], f"{value}_deviation": deviation[index]})
        found.append(row)
    return found

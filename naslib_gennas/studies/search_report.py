"""The files of an architecture search: result.json, history.csv and the picture search.png (.svg, .pdf)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import List, Optional, Sequence, Tuple, Union

from naslib_gennas import files
from naslib_gennas.studies import plots
from naslib_gennas.studies.course import Course, Found, plain, rows
from naslib_gennas.studies.result import writing
from naslib_gennas.truth.table import Truth

COLUMNS = (
    "evaluation",
    "arch",
    "score",
    "truth",
    "status",
    "parent",
    "birth",
    "seconds",
    "spent",
    "wall",
    "best_score",
    "best_truth",
    "regret",
)


#: What is drawn along: the key in a course's rows, and what it is called.
AXES = {"evaluation": "evaluations", "spent": "core-seconds of the scores"}
#: The colours and lines of a search and of random search beside it, apart in prints in grey, too.
LINES = {plots.BLUE: "-", plots.VERMILION: "--"}


def write(found: Found, folder: Path) -> None:
    """Write result.json, history.csv and, of a search that is done, search.png (stopping must not wait for a plot).

    A full disk loses these files, not the search.
    """
    with writing(folder):
        files.write_json(folder / "result.json", found.to_json())
        with files.Rows(folder / "history.csv", COLUMNS) as file:
            for row in rows(found.course, found.truth):
                file.write(row)
        if found.best is not None and found.complete:
            plot(found, folder / "search.png")


def quantities(truth: Optional[Truth], courses: Sequence[Course]) -> List[Tuple[str, str]]:
    """What is drawn of the best so far: the key in a course's rows, and the label."""
    drawn = [("best_score", "score of the best")]
    if truth is not None and any(step.truth is not None for course in courses for step in course.steps):
        name, value = truth.goal
        drawn += [("best_truth", truth.column), ("regret", f"regret to {name}, {value:.2f}")]
    return drawn


def plot(found: Found, path: Union[str, Path]) -> Path:
    """Draw the score, true value and regret of the best so far by evaluations and by core-seconds (a star: finalist).

    Core-seconds are those that the scores took when they were computed, for this search or for an earlier one, so that
    courses that share scores compare.
    """
    wanted = quantities(found.truth, [found.course])
    made, axes = plots.figure(4.5, 2.6, len(wanted), len(AXES))
    courses = [course for course in (found.course, found.control) if course is not None and course.steps]
    for line, (key, label) in zip(axes, wanted):
        for axis, (along, words) in zip(line, AXES.items()):
            for course, colour in zip(courses, LINES):
                known = [row for row in rows(course, found.truth) if row[key] is not None and math.isfinite(row[key])]
                x, y = [row[along] for row in known], [row[key] for row in known]
                axis.step(x, y, where="post", color=colour, linestyle=LINES[colour], label=course.method)
                chosen = plain(course, found.truth)
                end = {"best_truth": (chosen["best"] or {}).get("truth"), "regret": chosen["regret"]}.get(key)
                if course.finalists and end is not None:
                    place = len(course.steps) if along == "evaluation" else course.core_seconds
                    axis.plot(place, end, "*", color=colour, markersize=10, label=f"{course.method}, finalist")
            axis.grid(alpha=0.3)
            axis.set_xlabel(words)
        line[0].set_ylabel(label, fontsize=8)
    axes[-1, 0].legend(frameon=False, fontsize=9)
    made.suptitle(f"{found.settings['proxy']} on {found.settings['space']}, seed {found.settings['seed']}", fontsize=10)
    return plots.save(made, path, plots.FOR_PAPERS)

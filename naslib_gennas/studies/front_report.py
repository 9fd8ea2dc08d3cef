"""The files of a search for a trade-off: result.json, front.csv, history.csv and front.png, .svg and .pdf."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple, Union

from naslib_gennas import files
from naslib_gennas.studies import measures, plots
from naslib_gennas.studies.front import Evaluation, Front
from naslib_gennas.studies.objectives import Objective
from naslib_gennas.studies.result import writing


def write(front: Front, folder: Path) -> None:
    """Write the files; the pictures only of a search that is done (stopping must not wait for a plot).

    A full disk loses these files, not the search.
    """
    names = [one.name for one in front.objectives]
    with writing(folder):
        files.write_json(folder / "result.json", front.to_json())
        with files.Rows(folder / "front.csv", ("arch", *names, "truth", "id")) as file:
            for one in front.front:
                file.write(_row(one))
        about = ("status", "reason", "seconds", "wall", "in_front", "hypervolume")
        with files.Rows(folder / "history.csv", ("id", "generation", "arch", *names, "truth", *about)) as file:
            chosen = {one.id for one in front.front}
            volumes = () if front.hypervolume is None else front.hypervolume.found
            for one, volume in itertools.zip_longest(front.history, volumes):
                file.write({**_row(one), "in_front": one.id in chosen, "hypervolume": volume})
        if front.front and front.complete:
            plot(front, folder / "front.png", plots.FOR_PAPERS)


def _row(one: Evaluation) -> Dict[str, Any]:
    return {**vars(one), **one.values}


def plot(front: Front, path: Union[str, Path], also: Sequence[str] = ()) -> Path:
    """Draw the front among all evaluations, a panel for each pair of objectives, and the hypervolume as it grew.

    Two objectives: the front is a step line, the border of what it dominates.

    Args:
        front: with at least one architecture in it.
        path, also: see `plots.save`.
    """
    pairs = list(itertools.combinations(range(len(front.objectives)), 2))
    columns = math.ceil(math.sqrt(len(pairs) + 1))
    made, grid = plots.figure(4.2, 3.4, math.ceil((len(pairs) + 1) / columns), columns)
    axes = list(grid.flat)
    for axis, (first, second) in zip(axes, pairs):
        _panel(axis, front, front.objectives[second], front.objectives[first])
    axes[0].legend(frameon=False, fontsize=8)
    _growth(axes[len(pairs)], front)
    for axis in axes[: len(pairs) + 1]:
        axis.grid(alpha=0.3)
    for axis in axes[len(pairs) + 1 :]:
        axis.set_axis_off()
    made.suptitle(f"{front.settings['space']}, seed {front.settings['seed']}", fontsize=10)
    return plots.save(made, path, also)


def _panel(axis: Any, front: Front, across: Objective, up: Objective) -> None:
    """One pair of objectives."""
    scale = {one.name: _unit(front, one) for one in (across, up)}

    def points(evaluations: Sequence[Evaluation]) -> Tuple[List[float], List[float]]:
        good = [one for one in evaluations if one.status == "ok"]
        x, y = ([(one.values[aim.name] or 0.0) / scale[aim.name][1] for one in good] for aim in (across, up))
        return x, y

    faint = {"linewidths": 0.6, "facecolors": "none"}
    if front.control:
        axis.scatter(*points(front.control), s=14, marker="s", edgecolors=plots.GREY, label="random search", **faint)
    axis.scatter(*points(front.history), s=12, edgecolors=plots.BLUE, label="NSGA-II", **faint)
    x, y = points(front.front)
    if len(front.objectives) == 2:
        # The best that is to be had up to here stays so up to the next one.
        order = sorted(range(len(x)), key=lambda index: x[index])
        axis.step([x[i] for i in order], [y[i] for i in order], where="post", color=plots.VERMILION, linewidth=1.2)
    axis.scatter(x, y, s=26, marker="D", color=plots.VERMILION, zorder=3, label="front")
    for aim, name in ((across, axis.set_xlabel), (up, axis.set_ylabel)):
        of = f" ({front.settings['proxy']})" if aim.maximised else ""
        unit = scale[aim.name][0]
        name(f"{aim.name}{of}{f' ({unit})' if unit else ''}", fontsize=9)


def _unit(front: Front, aim: Objective) -> Tuple[str, float]:
    """The unit of an axis."""
    if aim.maximised:
        return "", 1.0
    return measures.unit(aim.name, max(abs(one.values[aim.name] or 0.0) for one in front.front))


def _growth(axis: Any, front: Front) -> None:
    """The hypervolume by evaluations."""
    volume = front.hypervolume
    assert volume is not None
    for values, label, colour, style in (
        (volume.found, "NSGA-II", plots.BLUE, "-"),
        (volume.control, "random search", plots.GREY, "--"),
    ):
        if values:
            axis.plot(range(1, len(values) + 1), values, style, color=colour, label=label)
    axis.set_xlabel("evaluations", fontsize=9)
    axis.set_ylabel("hypervolume", fontsize=9)
    axis.legend(frameon=False, fontsize=8)

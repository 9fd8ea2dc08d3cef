"""The files of a task search: task.yaml, candidate.yaml, result.json, and the pictures targets and convergence."""

from __future__ import annotations

from pathlib import Path
from typing import Union

from naslib_gennas import files
from naslib_gennas.regression import tasks
from naslib_gennas.studies import plots
from naslib_gennas.studies.result import writing
from naslib_gennas.studies.task_course import Found


def write(found: Found, folder: Path) -> None:
    """Write task.yaml, candidate.yaml, result.json and, of a search that is done, targets.png and convergence.png.

    A full disk loses these files, not the search.
    """
    with writing(folder):
        if found.task is not None:
            files.write(folder / "task.yaml", tasks.dump(found.task))
        if found.candidate is not None:
            files.write(folder / "candidate.yaml", tasks.dump(found.candidate))
        files.write_json(folder / "result.json", found.to_json())
        if found.task is not None and found.complete:  # stopping must not wait for plots
            plots.plot_task(found.task, folder / "targets.png", also=plots.FOR_PAPERS)
            plot(found, folder / "convergence.png")


def plot(found: Found, path: Union[str, Path]) -> Path:
    """Draw the best correlation against tasks tried and against seconds (figure 6 of arXiv:2108.01899)."""
    made, axes = plots.figure(4.5, 3.2, 1, 2)
    courses = [course for course in (found.course, found.control) if course is not None and course.trials]
    for axis, along in zip(axes[0], ("tasks tried", "seconds")):
        for course, colour in zip(courses, ("tab:blue", "tab:gray")):
            best = course.incumbents()
            x = [trial.wall for trial in course.trials] if along == "seconds" else list(range(1, len(best) + 1))
            axis.step(x, [trial.rho for trial in best], where="post", color=colour, label=course.method)
            if course is found.course and found.held_out_curve:
                places = {trial.id: value for trial, value in zip(course.trials, x)}
                held = [(places[number], value) for number, value in found.held_out_curve]
                axis.plot(*zip(*held), "o--", color="tab:red", markersize=3, linewidth=1, label="on held-out labels")
        if found.reference is not None:
            axis.axhline(
                found.reference, color="black", linewidth=0.8, linestyle=":", label=found.settings["reference"]
            )
        axis.set_xlabel(along)
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("Spearman rho with the labels")
    axes[0, 0].legend(frameon=False, fontsize=8)
    made.suptitle(f"task search on {found.settings['space']}, {len(found.settings['labels'])} labels", fontsize=10)
    return plots.save(made, path, plots.FOR_PAPERS)

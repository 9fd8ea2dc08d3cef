"""`gennas search-task`."""

from __future__ import annotations

from typing import Any, Optional

from rich.console import Console
from rich.markup import escape
from typing_extensions import Annotated

from naslib_gennas.cli import options
from naslib_gennas.cli.options import (
    Control,
    HigherIsBetter,
    LowerIsBetter,
    OutFolder,
    Population,
    SpaceName,
    Tournament,
    TruthTable,
)
from naslib_gennas.cli.printing import print_columns, print_labels, progress_bar, resumable, written


def search_task(
    space: SpaceName,
    labels: Annotated[
        Optional[str],
        options.what("--labels", metavar="TABLE", help="FILE or FILE:COLUMN of about 20 architectures with accuracy."),
    ] = None,
    truth: TruthTable = None,
    lower_is_better: LowerIsBetter = False,
    higher_is_better: HigherIsBetter = False,
    held_out: Annotated[
        Optional[str],
        options.what(
            "--held-out", metavar="FILE|N", help="Other labels, to check the task with: a file, or how many of --truth."
        ),
    ] = None,
    n: Annotated[
        int,
        options.how_much("--n", min=1, metavar="N", help="Labels to draw from --truth if there are no --labels."),
    ] = 20,
    *,
    limits: options.Limits,
    population: Population = None,
    tournament: Tournament = None,
    control: Control = None,
    scoring: options.Scoring,
    name: Annotated[str, options.output("--name", metavar="NAME", help="Name of the task.")] = "searched",
    out: OutFolder = None,
    output: options.Output,
) -> None:
    """Turn a few known accuracies into a better proxy task for a search space.

    Example: [bold]gennas search-task nasbench201 --truth analog-nasbench --held-out 100 --budget 30m[/]
    """
    from naslib_gennas import files
    from naslib_gennas.scoring import Scorer
    from naslib_gennas.studies import methods, task_search
    from naslib_gennas.studies.budget import evaluations_of
    from naslib_gennas.truth import labels as labelling
    from naslib_gennas.truth.table import STRONGLY_NEGATIVE

    known, others = labelling.choose(
        space,
        labels,
        None if truth == "none" else truth,
        n,
        held_out,
        scoring["seed"],
        options.direction(lower_is_better, higher_is_better),
    )
    scorer = Scorer.of(space, **scoring)
    for asked in filter(None, (known, others)):
        print_labels(output.console, asked)
    total = evaluations_of(**limits)
    with (
        resumable(output),
        progress_bar(output.console, f"Searching a task for {space}", total, limits["budget"]) as advance,
    ):

        def show(method: str, trial: Any, best: float, done: int) -> None:
            advance(done, total, f"{method}: best rho {best:.3f}", trial.wall)

        found = task_search.search(
            scorer,
            known,
            **limits,
            method=methods.get("evolution", population=population, tournament=tournament),
            control=control is not False,
            held_out=others,
            name=name,
            out=out or files.new_folder(f"search-task-{space}"),
            progress=show,
        )
    _print(output.console, found, name)
    if known.doubt and found.reference is not None and found.reference <= STRONGLY_NEGATIVE:
        output.console.print(known.doubt, markup=False)
    output.emit(found.to_json())


def _print(console: Console, found: Any, name: str) -> None:
    reference = found.settings["reference"]
    rows = [("task", "rho with the labels", *(["rho with held-out labels"] if found.held_out else []))]
    for key, label, value in (("found", name, found.rho), ("usual", reference, found.reference)):
        held = [str(found.held_out[key])] if found.held_out else []
        rows.append((label, "" if value is None else f"{value:.3f}", *held))
    print_columns(console, *rows)
    expected = "" if found.expected is None else f", of which {found.expected:.3f} is expected on other architectures"
    if found.taken:
        console.print(f"{name} is chosen: its rho is {found.rho:.3f}{expected}")
    else:
        why = expected or ", and too few random tasks were tried to tell how much of it is chance"
        rho = "" if found.rho is None else f" has rho {found.rho:.3f}{why}"
        console.print(f"{reference} is kept: the best task found{rho} (candidate.yaml)")
    stopped_early = sum(trial.stopped for trial in found.course.trials)
    console.print(f"{len(found.course.trials)} tasks tried, {stopped_early} stopped early because they could not win")
    pictures = [f"{name}{ending}" for name in ("targets", "convergence") for ending in (".png", ".svg", ".pdf")]
    written(console, found.folder, "task.yaml", "candidate.yaml", *pictures, "result.json")
    use = f"gennas rank {found.settings['space']} --proxy gennas-{found.folder}/task.yaml"
    console.print(f"Use it: [bold]{escape(use)}[/]", soft_wrap=True)  # a command is copied

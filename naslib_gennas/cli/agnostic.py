"""`gennas agnostic`."""

from __future__ import annotations

from typing import Any, Optional

from rich.console import Console
from typing_extensions import Annotated

from naslib_gennas.cli import options
from naslib_gennas.cli.options import SpaceName
from naslib_gennas.cli.printing import print_columns, print_truth, progress_bar, resumable


def agnostic(
    space: SpaceName,
    nu: options.Nu = None,
    estimator: options.Estimator = None,
    *,
    truth: options.Truth,
    steps: Annotated[
        Optional[int],
        options.how_much("--steps", min=1, metavar="N", help="Steps of each search.", show_default="400"),
    ] = None,
    scoring: options.Scoring,
    output: options.Output,
) -> None:
    """Check that NASI needs neither labels nor real images: exchange both, and compare what is found.

    Seven searches: three kinds of images, random and true labels, and two in which only chance differs.

    The same command again goes on where it was stopped.

    Example: [bold]gennas agnostic nasbench201[/]
    """
    from naslib_gennas import spaces
    from naslib_gennas import truth as truths
    from naslib_gennas.studies import agnostic, nasi

    found = spaces.get(space)
    table = truths.find(truth["truth"], found, truth["higher_is_better"])
    with resumable(output), progress_bar(output.console, f"NASI on {space}", steps) as advance:
        result = agnostic.check(
            found,
            steps=steps,
            nu=nu or nasi.ADAPTIVE,
            estimator=estimator or nasi.ESTIMATORS[0],
            truth=table,
            progress=lambda name, done, total: advance(done, total or None, name),
            **scoring,
        )
    _print(output.console, result)
    output.emit(result.to_json())


def _print(console: Console, result: Any) -> None:
    from naslib_gennas.studies.plots import rounded

    known = result.truth is not None
    rows = [("images", "labels", "changed", "same", "edges", "rho", *(["truth"] if known else []), "found")]
    for row in result.rows:
        rho = "" if row.rho is None else "{:.2f} [{:.2f}, {:.2f}]".format(*row.rho)
        about = (row.images, row.labels, row.changed, "yes" if row.same else "no", f"{row.edges:.0%}", rho)
        rows.append((*about, *([rounded(row.truth, 2)] if known else []), row.arch))
    print_columns(console, *rows)
    console.print("same, edges: isomorphic to what the first search found, and edges in common with it")
    console.print("rho: of the trace norms of a sample of architectures with those of the first search")
    if known:
        print_truth(console, result.truth.to_json())
    console.print(
        f"Edges in common: {result.edges(False):.0%} on other images and labels, {result.edges(True):.0%} with other "
        f"draws or weights. Trace norms on other images and labels: rho {result.least_rho:.2f} or more."
    )

"""`gennas compare`."""

from __future__ import annotations

import functools
from typing import Any, Optional

from rich.console import Console
from rich.markup import escape
from typing_extensions import Annotated

from naslib_gennas.cli import options
from naslib_gennas.cli.options import Architectures, Count, OutFolder, SpaceName, TopPercent
from naslib_gennas.cli.printing import finish, print_columns, progress_bar, resumable


def compare(
    space: SpaceName,
    proxies: Annotated[
        Optional[str],
        options.what(
            "--proxies",
            metavar="A,B,...",
            help="Each NAME, NAME@PROFILE, vote:A+B, ranksum:A+B, az_nas or FILE.py. The others are compared with the "
            "first.",
            show_default="gennas-plus, gennas-combo, synflow, jacob_cov, naswot, params",
        ),
    ] = None,
    via: Annotated[
        Optional[str],
        options.what("--via", metavar="naslib", help="Also run NASLib's own measures on NASLib's graphs."),
    ] = None,
    archs: Architectures = None,
    *,
    truth: options.Truth,
    n: Count = None,
    top: TopPercent = 10.0,
    scoring: options.Scoring,
    out: OutFolder = None,
    output: options.Output,
) -> None:
    """Compare proxies on the same architectures: agreement with the truth, significance, cost, and an HTML report.

    Example: [bold]gennas compare nasbench201 --proxies gennas-combo,synflow,naswot,vote:synflow+naswot[/]
    """
    from naslib_gennas import files
    from naslib_gennas.studies import comparison, report

    folder = files.folder(out or files.new_folder(f"compare-{space}"))
    write = functools.partial(report.write, folder=folder)
    with resumable(output, write), progress_bar(output.console, f"Comparing on {space}", n) as advance:
        result = comparison.compare(
            space,
            None if proxies is None else proxies.split(","),
            n,
            archs=archs,
            via=via,
            **truth,
            **scoring,
            top_percent=top,
            progress=lambda name, done, total: advance(done, total, name),
        )
    write(result)
    finish(output, result, _print, folder, "report.html", "result.json", "table.csv", "scores.csv")


def _print(console: Console, result: Any) -> None:
    from naslib_gennas.studies import report

    console.print(
        f"{result.n} architectures of {result.space}, seed {result.seed}: {result.wall_seconds:.1f} s"
        + (
            ""
            if result.truth is None
            else f"; truth {escape(result.truth['name'])} ({escape(result.truth['direction'])}), "
            f"{result.truth['matched']} known"
        )
    )
    rows = [report.heads(result)]
    for column in result.columns:
        if not column.problem:
            cells = (" ".join(filter(None, cell)) for cell in report.cells(result, column))
            rows.append((column.name, *cells))
    print_columns(console, *rows)
    for column in result.columns:
        if column.problem:
            console.print(f"{escape(column.name)} cannot score {result.space}: {escape(column.problem)}")
    for note in report.notes(result):
        console.print(escape(note))

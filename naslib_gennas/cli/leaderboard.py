"""`gennas leaderboard`."""

from __future__ import annotations

import functools
from typing import Any, Optional

from rich.console import Console
from rich.markup import escape
from typing_extensions import Annotated

from naslib_gennas.cli import options
from naslib_gennas.cli.options import OutFolder, TopPercent
from naslib_gennas.cli.printing import finish, print_columns, progress_bar, resumable


def leaderboard(
    spaces: Annotated[
        Optional[str],
        options.what(
            "--spaces",
            metavar="A,B,...",
            help="Search spaces, or FILE.py:NAME for your own.",
            show_default="all that have ground truth",
        ),
    ] = None,
    proxies: Annotated[
        Optional[str],
        options.what(
            "--proxies",
            metavar="A,B,...",
            help="As in `gennas compare`.",
            show_default="params, flops, the usual zero-cost proxies, gennas-*",
        ),
    ] = None,
    truth_folder: options.TruthFolders = None,
    truth: options.SpaceTruths = None,
    lower_is_better: options.SpacesLower = False,
    higher_is_better: options.SpacesHigher = False,
    n: Annotated[
        str,
        options.how_much(
            "--n", metavar="N", help="Architectures per search space: 60, or 60,darts=40,nds-*=40 for some of them."
        ),
    ] = "60",
    limit: Annotated[
        float,
        options.how_much(
            "--limit", metavar="SECONDS", help="Leave out a proxy whose scores take more core-seconds than this."
        ),
    ] = 10.0,
    top: TopPercent = 10.0,
    *,
    scoring: options.Scoring,
    out: OutFolder = None,
    output: options.Output,
) -> None:
    """Rank proxies over all search spaces with ground truth: mean ranks, significance, cost, and an HTML report.

    Example: [bold]gennas leaderboard --truth-folder tables --proxies params,synflow,gennas-plus --n 40[/]
    """
    from naslib_gennas import files
    from naslib_gennas.studies import leaderboard as study
    from naslib_gennas.studies import leaderboard_report as report

    direction = options.direction(lower_is_better, higher_is_better)
    folder = files.folder(out or files.new_folder("leaderboard"))
    write = functools.partial(report.write, folder=folder)
    with resumable(output, write), progress_bar(output.console, "Scoring") as advance:
        result = study.leaderboard(
            None if spaces is None else [name for name in spaces.split(",") if name],
            None if proxies is None else proxies.split(","),
            n,
            folders=truth_folder or (),
            truths=truth or (),
            higher_is_better=direction,
            limit=limit,
            top_percent=top,
            progress=lambda what, done, total: advance(done, total, what),
            **scoring,
        )
    write(result)
    finish(output, result, _print, folder, "report.html", "result.json", "standings.csv", "table.csv")


def _print(console: Console, board: Any) -> None:
    from naslib_gennas.studies import leaderboard_report as report

    rows = [[" ".join(filter(None, cell)) for cell in row] for row in report.standings(board)]
    print_columns(console, report.HEADS, *rows)
    for space, one in report.data_sets(board):
        best = [(column.spearman.value, column) for column in one.columns if column.spearman is not None]
        if best:
            column = max(best, key=lambda pair: pair[0])[1]
            console.print(
                f"{escape(space.name)}, {escape(one.name)} (n = {one.truth['matched']}"
                f"{'' if one.truth['higher_is_better'] else ', lower is better'}): best {escape(column.name)}, "
                f"rho {column.spearman}"
            )
    for line in [*report.blanks(board), *report.notes(board)]:
        console.print(escape(line))

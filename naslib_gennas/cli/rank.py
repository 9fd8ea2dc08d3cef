"""`gennas rank`."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from typing_extensions import Annotated

from naslib_gennas.cli import options
from naslib_gennas.cli.options import Architectures, Count, OutFolder, ProxyName, SpaceName, TopPercent
from naslib_gennas.cli.printing import emit, print_columns, print_truth, progress_bar, resumable, written


def rank(
    space: SpaceName,
    proxy: ProxyName = None,
    archs: Architectures = None,
    *,
    truth: options.Truth,
    n: Count = None,
    top: TopPercent = 10.0,
    best: Annotated[
        int,
        options.how_much(
            "--best",
            metavar="K",
            help="Find the K best: re-score the top candidates at full depth (successive halving). 0: off.",
        ),
    ] = 0,
    scoring: options.Scoring,
    out: OutFolder = None,
    output: options.Output,
) -> None:
    """Rank a sample of architectures without labels, and compare the order with their true accuracy.

    Example: [bold]gennas rank nasbench201 --n 100 --truth nasbench201.csv:cifar100_test_acc[/]
    """
    from naslib_gennas import files, spaces
    from naslib_gennas.studies import ranking

    with resumable(output), progress_bar(output.console, f"Ranking {space}", None if archs else n) as advance:
        result = ranking.rank(
            space,
            proxy,
            n,
            archs=archs,
            **truth,
            **scoring,
            out=out or files.new_folder(f"rank-{spaces.get(space).name}"),
            top_percent=top,
            best=best,
            progress=lambda record, done, total: advance(done, total, "finalists" if record is None else ""),
        )
    _print(output.console, result)
    emit(output, result)


def _print(console: Console, result: Any) -> None:
    from naslib_gennas.studies.plots import rounded

    console.print(
        f"{result.n} architectures of {result.space}, {result.proxy} ({result.profile['name']} profile, inputs "
        f"{result.inputs}, seed {result.seed}): {result.wall_seconds:.1f} s, {result.core_seconds:.1f} core-seconds"
        + (f", {result.reused} scores known before" if result.reused else "")
    )
    for status in ("diverged", "untrainable", "failed"):
        count = sum(row.status == status for row in result.architectures)
        if count:
            console.print(f"{count} {status}: ranked last")
    if result.truth is not None:
        print_truth(console, result.truth, f"{result.truth['matched']} of {result.n} matched")
    if result.spearman is not None:
        rows = [("agreement", "value", "95% interval")]
        for name, estimate in (
            ("Spearman rho", result.spearman),
            ("Kendall tau", result.kendall),
            (f"retrieval of the top {result.top_percent:g}%", result.retrieval),
            ("regret of the first", result.regret),
        ):
            value, _, interval = str(estimate).partition(" ")
            rows.append((name, value, interval))
        print_columns(console, *rows)
    if result.finalists:
        label, best = f"best of a race of {len(result.finalists)}", result.finalists[: result.best]
        listed = [(rounded(one.final_score), rounded(one.truth, 2), one.arch) for one in best]
    else:
        label, best = "top five", result.architectures[:5]
        listed = [(rounded(one.score), rounded(one.truth, 2), one.arch) for one in best]
    rows = [("score", "truth", label), *listed]
    if not result.failure:
        print_columns(console, *(rows if result.truth is not None else [(row[0], row[2]) for row in rows]))
    picture = ["scatter.png"] if result.spearman is not None else []
    written(console, result.folder, "scores.csv", "result.json", *picture)

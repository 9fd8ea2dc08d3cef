"""`gennas score`."""

from __future__ import annotations

from typing import List

import typer
from typing_extensions import Annotated

from naslib_gennas.cli import options
from naslib_gennas.cli.options import ProxyName, SpaceName
from naslib_gennas.cli.printing import print_columns, progress_bar
from naslib_gennas.errors import EngineError


def score(
    space: SpaceName,
    archs: Annotated[
        List[str], typer.Argument(metavar="ARCH...", help="Architectures, in the notation of the search space.")
    ],
    proxy: ProxyName = None,
    *,
    scoring: options.Scoring,
    output: options.Output,
) -> None:
    """Score architectures without labels; higher is better.

    Example: [bold]gennas score nasbench201 '|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|'[/]
    """
    from naslib_gennas.studies import ranking
    from naslib_gennas.studies.plots import rounded

    alone = {"workers": 1} if len(archs) == 1 and scoring["executor"] is None else {}
    with progress_bar(output.console, f"Scoring {space}", len(archs)) as advance:
        result = ranking.rank(
            space,
            proxy,
            truth=None,
            archs=archs,
            **{**scoring, **alone},
            progress=lambda record, done, total: advance(done, total),
        )
    rows = [("score", "core-seconds", "status", "architecture")]
    for row in result.architectures:
        status = row.status if not row.reason else f"{row.status}: {row.reason}"
        rows.append((rounded(row.score, 6), f"{row.seconds:.2f}", status, row.arch))
    print_columns(output.console, *rows)
    output.emit(result.to_json())
    if result.failure:
        raise EngineError(result.failure)

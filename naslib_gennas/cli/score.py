"""`gennas score`."""

from __future__ import annotations

from typing import List, Optional

import typer
from typing_extensions import Annotated

from naslib_gennas.cli import options, score_networks
from naslib_gennas.cli.options import ProxyName
from naslib_gennas.cli.printing import emit, print_columns, progress_bar
from naslib_gennas.errors import InputError


def score(
    space: Annotated[
        str,
        typer.Argument(metavar="SPACE|NETWORK", help="Search space; or FILE.py:function, timm:NAME, hf:CONFIG, ..."),
    ],
    archs: Annotated[
        Optional[List[str]],
        typer.Argument(metavar="[ARCH|NETWORK]...", help="Architectures, in its notation; or further networks."),
    ] = None,
    proxy: ProxyName = None,
    resolution: Annotated[
        Optional[int],
        options.how_much(
            "--resolution", metavar="PIXELS", help="Image size for networks.", show_default="the smallest that works"
        ),
    ] = None,
    seeds: Annotated[int, options.how_much("--seeds", min=1, metavar="N", help="Seeds for a network's interval.")] = 1,
    *,
    scoring: options.Scoring,
    dry_run: Annotated[
        bool, options.output("--dry-run", help="Show what would be scored of a network and its cost; score nothing.")
    ] = False,
    output: options.Output,
) -> None:
    """Score architectures or networks without labels; higher is better.

    Examples: [bold]gennas score timm:resnet18 my_model.py:make --seeds 3[/],
    [bold]gennas score nasbench201 '|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|'[/]
    """
    from naslib_gennas.networks import sources

    networks = [space, *(archs or [])]
    if all(map(sources.is_name, networks)):
        shared = {key: scoring[key] for key in ("inputs", "profile")}
        shared["resolution"] = resolution
        if dry_run:
            score_networks.describe(networks, proxy, shared, output)
        else:
            shared.update(initialise=scoring["initialise"] or "as is", device=scoring["device"], seed=scoring["seed"])
            score_networks.rank(networks, proxy, shared, seeds, output)
        return
    if not archs:
        raise InputError(f"score '{space}' what? Give architectures of the search space; a network is {sources.FORMS}")
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
    emit(output, result)

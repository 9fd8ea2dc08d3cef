"""What `gennas score` prints of networks that belong to no search space."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple

from naslib_gennas.cli.printing import Output, print_columns, progress_bar
from naslib_gennas.errors import EngineError, InputError


def describe(networks: List[str], proxy: Optional[str], settings: Mapping[str, Any], output: Output) -> None:
    """Print what would be scored of each network; nothing is trained."""
    from dataclasses import asdict

    from naslib_gennas import proxies
    from naslib_gennas.scoring.network import describe_network

    told: Dict[str, Any] = {}
    refused: List[str] = []
    for name in networks:
        try:
            one = describe_network(name, proxy=proxy or proxies.USUAL, **settings)
        except InputError as error:
            refused.append(f"{name}: {error}")
            if len(refused) == len(networks):
                raise InputError(refused[0]) from None
            told[name] = {"status": "refused", "reason": str(error)}
            output.console.print(f"{name}\nrefused: {error}", markup=False)
            continue
        output.console.print(f"{name}\n{one}", markup=False)
        told[name] = {**asdict(one), "stages": [str(stage) for stage in one.stages]}
    output.emit({"networks": told})


def rank(networks: List[str], proxy: Optional[str], settings: Mapping[str, Any], seeds: int, output: Output) -> None:
    """Score the networks and print them as a table, the best first.

    Raises:
        EngineError: none has a score.
    """
    from naslib_gennas import proxies
    from naslib_gennas.scoring import network_ranking
    from naslib_gennas.studies.plots import rounded

    with progress_bar(output.console, "Scoring networks", len(networks)) as advance:
        begun: List[str] = []

        def begin(name: str) -> None:
            advance(len(begun), len(networks), name)
            begun.append(name)

        chosen = proxy or proxies.USUAL
        rows = network_ranking.rank_networks(networks, seeds, proxy=chosen, progress=begin, **settings)
    table: List[Tuple[str, ...]] = [("score", f"95% of {seeds} seeds", "params", "FLOPs", "reached", "network")]
    for row in rows:
        low_high = "" if row.interval is None else f"[{rounded(row.interval[0], 5)}, {rounded(row.interval[1], 5)}]"
        seen = f"{row.reached:.0%}" if row.stages else "refused"
        counted = (f"{row.parameters / 1e6:.2f} M", f"{row.flops / 1e6:.1f} M") if row.parameters else ("", "")
        sizes = (*counted, seen)
        table.append((rounded(row.score, 6), low_high, *sizes, row.network))
    if seeds == 1:
        table = [(line[0], *line[2:]) for line in table]
    print_columns(output.console, *table)
    for row in rows:
        told = [*([f"{row.status}: {row.reason}"] if row.status != "ok" else []), *row.notes]
        stages = f"stages {', '.join(row.stages)}" if row.stages else f"refused: {row.reason}"
        output.console.print(f"{row.network}: {stages}", markup=False)
        if not row.stages:
            continue
        for text in told:
            output.console.print(f"  {text}", markup=False)
    output.emit(network_ranking.to_json(rows))
    if all(row.status != "ok" for row in rows):
        raise EngineError(f"nothing could be scored: {rows[0].network}: {rows[0].reason}")

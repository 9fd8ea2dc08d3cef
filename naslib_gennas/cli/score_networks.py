"""What `gennas score` prints of networks that belong to no search space."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Tuple

from naslib_gennas.cli.printing import Output, print_columns, progress_bar
from naslib_gennas.errors import InputError


def describe(networks: List[str], proxy: Optional[str], settings: Mapping[str, Any], output: Output) -> None:
    """Print what would be scored of each network; nothing is trained."""
    from dataclasses import asdict

    from naslib_gennas import proxies
    from naslib_gennas.scoring.network import describe_network

    found = {}
    for name in networks:
        try:
            found[name] = describe_network(name, proxy=proxy or proxies.USUAL, **settings)
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
        output.console.print(f"{name}\n{found[name]}", markup=False)
    told = {name: {**asdict(one), "stages": [str(stage) for stage in one.stages]} for name, one in found.items()}
    output.emit({"networks": told})


def rank(networks: List[str], proxy: Optional[str], settings: Mapping[str, Any], seeds: int, output: Output) -> None:
    """Score the networks and print them as a table, the best first."""
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
        sizes = (f"{row.parameters / 1e6:.2f} M", f"{row.flops / 1e6:.1f} M", f"{row.reached:.0%}")
        table.append((rounded(row.score, 6), low_high, *sizes, row.network))
    if seeds == 1:
        table = [(line[0], *line[2:]) for line in table]
    print_columns(output.console, *table)
    for row in rows:
        told = [*([f"{row.status}: {row.reason}"] if row.status != "ok" else []), *row.notes]
        output.console.print(f"{row.network}: stages {', '.join(row.stages)}", markup=False)
        for text in told:
            output.console.print(f"  {text}", markup=False)
    output.emit(network_ranking.to_json(rows))

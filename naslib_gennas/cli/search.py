"""`gennas search`."""

from __future__ import annotations

import functools
from typing import Any, Dict, List, Optional

from typing_extensions import Annotated

from naslib_gennas.cli import options, search_result, trade_off
from naslib_gennas.cli.options import (
    Cells,
    Channels,
    Control,
    OutFolder,
    Population,
    ProxyName,
    Resolution,
    SpaceName,
    Tournament,
    sized,
)
from naslib_gennas.cli.printing import emit, progress_bar, resumable


def search(
    space: SpaceName,
    proxy: ProxyName = None,
    method: Annotated[
        str, options.what("--method", metavar="NAME", help="Search method: evolution, random, rlnas, nasi or te-nas.")
    ] = "evolution",
    children: Annotated[
        Optional[str],
        options.what(
            "--children",
            metavar="HOW",
            help="Mutation of the space, rates such as edge=1/5,vertex=1/7, nearest-of-200, nearest, or paper.",
            show_default="mutation; nearest-of-200 with --among",
        ),
    ] = None,
    among: Annotated[
        Optional[str],
        options.what(
            "--among",
            metavar="WHICH",
            help="Search these only: truth (those of the ground truth), a number of random ones, or a file.",
            show_default="all of the space",
        ),
    ] = None,
    objective: Annotated[
        Optional[List[str]],
        options.what(
            "--objective",
            metavar="NAME",
            help="Two or more give a Pareto front: score, params, flops, memory, latency or FILE.py:FUNCTION.",
            show_default="score",
        ),
    ] = None,
    constraint: Annotated[
        Optional[List[str]],
        options.what(
            "--constraint",
            metavar="BOUND",
            help="Limit on the network that you train in the end: params<5M, flops<600M, latency<20ms, memory<2GB, or "
            "FILE.py:FUNCTION. May be given several times.",
        ),
    ] = None,
    resolution: Resolution = None,
    cells: Cells = None,
    channels: Channels = None,
    fit_width: Annotated[
        Optional[List[str]],
        options.what(
            "--fit-width",
            metavar="BOUND",
            help="Widen what is found up to this limit, such as flops<=600M (darts). May be given several times.",
        ),
    ] = None,
    nu: options.Nu = None,
    estimator: options.Estimator = None,
    price: Annotated[
        Optional[str],
        options.what(
            "--price",
            metavar="PRICE",
            help="NASI's price of params or flops: params:2.",
            show_default="none",
        ),
    ] = None,
    repeats: Annotated[
        Optional[int],
        options.how_much(
            "--repeats", min=1, metavar="N", help="TE-NAS's initialisations for each trial.", show_default="3"
        ),
    ] = None,
    *,
    truth: options.Truth,
    limits: options.Limits,
    population: Population = None,
    tournament: Tournament = None,
    finalists: Annotated[
        Optional[int],
        options.how_much(
            "--finalists",
            metavar="N",
            help="Re-score this many of the best at full depth. 0: none.",
            show_default="a fifth of the evaluations",
        ),
    ] = None,
    control: Control = None,
    seeds: Annotated[
        int, options.how_much("--seeds", min=1, metavar="N", help="Search under this many seeds, from --seed up.")
    ] = 1,
    scoring: options.Scoring,
    out: OutFolder = None,
    output: options.Output,
) -> None:
    """Search for the best architecture without labels. The same command again continues an interrupted search.

    The ground truth is only reported; the search does not use it.

    Example: [bold]gennas search nasbench201 --budget 10m --constraint 'params<1M'[/]

    A trade-off: [bold]gennas search nasbench201 --objective score --objective latency[/]
    """
    from naslib_gennas import files
    from naslib_gennas import truth as truths
    from naslib_gennas.studies import constraints, methods, objectives, search
    from naslib_gennas.studies.budget import evaluations_of
    from naslib_gennas.studies.seeds import search_seeds

    mine: Dict[str, Any] = {"children": children, "among": among, "tournament": tournament}
    mine.update(estimator=estimator, price=price, repeats=repeats)
    chosen = methods.get(method, population=population, nu=nu, **mine)
    several = trade_off.wanted(
        objective or (),
        method=method if method not in ("evolution", "nasi") else None,
        finalists=finalists,
        seeds=seeds - 1,
        **{"fit-width": fit_width},
        **mine,
    )
    aims = [objectives.parse(name, resolution, device=scoring["device"]) for name in objective or ()]
    found_space = sized(space, cells, channels)
    bounds, fit = (
        [constraints.parse(text, resolution, device=scoring["device"]) for text in texts or ()]
        for texts in (constraint, fit_width)
    )
    if fit:
        constraints.fitting(found_space, fit)
    table = truths.find(truth["truth"], found_space, truth["higher_is_better"])
    total = evaluations_of(**limits) if chosen.searcher else limits["evaluations"]
    asked = {
        **limits,
        "constraint": bounds,
        "truth": table,
        "proxy": proxy,
        "out": out or files.new_folder(f"search-{space}"),
        **scoring,
    }
    if several and method == "nasi":
        trade_off.run_nasi(found_space, aims, output, {**asked, "nu": chosen.settings["nu"], "control": control})
        return
    if several:
        asked.update(population=chosen.settings["population"], control=bool(control))
        trade_off.run(found_space, aims, output, total, asked)
        return
    asked.update(method=chosen, finalists=finalists, control=control)
    with resumable(output), progress_bar(output.console, f"Searching {space}", total, limits["budget"]) as advance:

        def show(method: str, step: Any, best: Any, done: int, total: Optional[int], seed: str = "") -> None:
            value = "" if best.truth is None else f", truth {best.truth:.2f}"
            note = f"{seed}{method}: best {best.score:.4f}{value}"
            advance(done, total, note, step.wall)

        if seeds > 1:
            found: Any = search_seeds(
                found_space,
                seeds,
                progress=lambda number, method, step, best, done, of: show(
                    method, step, best, done, of, f"seed {number}, "
                ),
                **asked,
            )
        else:
            found = search.search(found_space, progress=show, **asked)
    lines = functools.partial(search_result.description, found_space, resolution=resolution, fit=fit)
    (search_result.print_one if seeds == 1 else search_result.print_seeds)(output.console, found, lines)
    emit(output, found)

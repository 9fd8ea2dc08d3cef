"""`gennas search`."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from rich.console import Console
from rich.markup import escape
from typing_extensions import Annotated

from naslib_gennas.cli import options, trade_off
from naslib_gennas.cli.options import (
    Budget,
    Control,
    Evaluations,
    OutFolder,
    Population,
    ProxyName,
    SpaceName,
    Tournament,
)
from naslib_gennas.cli.printing import print_columns, print_truth, progress_bar, resumable, written
from naslib_gennas.errors import InputError


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
            help="Search these only: truth (those of the ground truth), so many drawn ones, or a file.",
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
    resolution: Annotated[
        Optional[int],
        options.what(
            "--resolution", metavar="PIXELS", help="Images of the network that is trained.", show_default="as published"
        ),
    ] = None,
    cells: Annotated[
        Optional[int],
        options.what("--cells", metavar="N", help="Depth of that network (darts).", show_default="as published"),
    ] = None,
    channels: Annotated[
        Optional[int],
        options.what("--channels", metavar="N", help="Width of that network (darts).", show_default="as published"),
    ] = None,
    nu: options.Nu = None,
    estimator: options.Estimator = None,
    price: Annotated[
        Optional[str],
        options.what(
            "--price", metavar="RESOURCE:WEIGHT", help="NASI's price of params or flops: params:2.", show_default="none"
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
    evaluations: Evaluations = None,
    budget: Budget = None,
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
    scoring: options.Scoring,
    out: OutFolder = None,
    output: options.Output,
) -> None:
    """Search for the best architecture without labels. The same command again continues an interrupted search.

    The ground truth is only reported; the search does not use it.

    Example: [bold]gennas search nasbench201 --budget 10m --constraint 'params<1M'[/]

    A trade-off: [bold]gennas search nasbench201 --objective score --objective latency[/]
    """
    from naslib_gennas import files, spaces
    from naslib_gennas import truth as truths
    from naslib_gennas.studies import constraints, methods, objectives, search
    from naslib_gennas.studies.budget import USUAL_EVALUATIONS, seconds

    mine: Dict[str, Any] = {
        "tournament": tournament,
        "nu": nu,
        "estimator": estimator,
        "price": price,
        "repeats": repeats,
    }
    mine.update(children=children, among=among)
    own = {"population": population, **mine}
    chosen = methods.get(method, **{name: value for name, value in own.items() if value is not None})
    other = method if method not in ("evolution", "nasi") else None
    if method == "nasi":  # at several prices
        mine.pop("nu")
    several = trade_off.wanted(objective or (), method=other, finalists=finalists, **mine)
    aims = [objectives.parse(name, resolution, device=scoring["device"]) for name in objective or ()]
    sizes = {"cells": cells, "channels": channels}
    found_space = spaces.get(space, **{name: value for name, value in sizes.items() if value is not None})
    bounds = [constraints.parse(text, resolution, device=scoring["device"]) for text in constraint or ()]
    table = truths.find(truth["truth"], found_space, truth["higher_is_better"])
    total = evaluations or (None if budget or not chosen.searcher else USUAL_EVALUATIONS)
    limits = {
        "evaluations": evaluations,
        "budget": None if budget is None else seconds(budget),
        "constraint": bounds,
        "truth": table,
        "proxy": proxy,
        "out": out or files.new_folder(f"search-{space}"),
        **scoring,
    }
    if several and method == "nasi":
        trade_off.run_nasi(found_space, aims, output, {**limits, **({"nu": nu} if nu else {}), "control": control})
        return
    if several:
        more = {} if population is None else {"population": population}
        trade_off.run(found_space, aims, output, total, {**limits, **more, "control": bool(control)})
        return
    with resumable(output), progress_bar(output.console, f"Searching {space}", total) as advance:

        def show(method: str, step: Any, best: Any, done: int) -> None:
            value = "" if best.truth is None else f", truth {best.truth:.2f}"
            advance(done, None if method == "finalists" else total, f"{method}: best {best.score:.4f}{value}")

        found = search.search(found_space, method=chosen, finalists=finalists, control=control, progress=show, **limits)
    _print(output.console, space, found)
    output.emit(found.to_json())


def _describe(console: Console, space: str, found: Any) -> None:
    """What the network of the best architecture costs, its picture, and the command that exports it."""
    from naslib_gennas import spaces
    from naslib_gennas.studies.export import describe

    searched = spaces.get(space)
    try:
        lines = describe(searched, searched.parse(found.best.arch), found.folder).lines()
    except InputError as error:  # the search is done and kept; its network may be one that cannot be measured
        lines = [f"Its network: {error}"]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)  # a command is copied


def _print(console: Console, space: str, found: Any) -> None:
    from naslib_gennas.studies.plots import rounded

    rows = [("", "evaluations", "core-seconds", "score", *(["truth", "regret"] if found.truth is not None else []))]
    for name, course in (("found", found.to_json()), ("random search", found.to_json()["control"])):
        if course is not None and course["best"] is not None:
            best = course["best"]
            known = [rounded(best["truth"], 2), rounded(course["regret"], 2)] if found.truth is not None else []
            spent = f"{course['core_seconds']:.1f}"
            rows.append((name, str(course["evaluations"]), spent, rounded(best["score"]), *known))
    print_columns(console, *rows)
    if found.truth is not None:
        print_truth(console, found.truth.to_json())
    for remark in found.remarks:
        console.print(remark, markup=False)
    if found.resumed:
        console.print(f"{found.resumed} of the evaluations were done by an earlier run")
    if found.course.finalists:
        count = len(found.course.finalists)
        among = "The best raced" if count == 1 else f"Chosen among the {count} best, which raced"
        console.print(f"{among} at the space's full depth")
    if found.best is not None:
        console.print(f"Best architecture: [bold]{escape(found.best.arch)}[/]")
        _describe(console, space, found)
    pictures = ("search.png", "search.svg", "search.pdf", "architecture.svg")
    written(console, found.folder, "result.json", "history.csv", *pictures)

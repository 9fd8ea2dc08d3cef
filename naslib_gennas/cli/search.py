"""`gennas search`."""

from __future__ import annotations

import functools
from typing import Any, Callable, Dict, List, Optional, Sequence

from rich.console import Console
from rich.markup import escape
from typing_extensions import Annotated

from naslib_gennas.cli import options, trade_off
from naslib_gennas.cli.options import (
    Budget,
    Cells,
    Channels,
    Control,
    Evaluations,
    OutFolder,
    Population,
    ProxyName,
    Resolution,
    SpaceName,
    Tournament,
    sized,
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
    seeds: Annotated[
        int, options.how_much("--seeds", min=1, metavar="N", help="Search under so many seeds, from --seed up.")
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
    from naslib_gennas.studies.budget import USUAL_EVALUATIONS, seconds
    from naslib_gennas.studies.seeds import search_seeds

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
    unused = {"method": other, "finalists": finalists, "fit-width": fit_width, "seeds": seeds - 1}
    several = trade_off.wanted(objective or (), **unused, **mine)
    aims = [objectives.parse(name, resolution, device=scoring["device"]) for name in objective or ()]
    found_space = sized(space, cells, channels)
    bounds, fit = (
        [constraints.parse(text, resolution, device=scoring["device"]) for text in texts or ()]
        for texts in (constraint, fit_width)
    )
    if fit:
        constraints.fitting(found_space, fit)
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
    limits.update(method=chosen, finalists=finalists, control=control)
    with resumable(output), progress_bar(output.console, f"Searching {space}", total) as advance:

        def show(method: str, step: Any, best: Any, done: int, seed: str = "") -> None:
            value = "" if best.truth is None else f", truth {best.truth:.2f}"
            note = f"{seed}{method}: best {best.score:.4f}{value}"
            advance(done, None if method == "finalists" else total, note)

        if seeds > 1:
            found: Any = search_seeds(
                found_space,
                seeds,
                progress=lambda number, method, step, best, done: show(method, step, best, done, f"seed {number}, "),
                **limits,
            )
        else:
            found = search.search(found_space, progress=show, **limits)
    lines = functools.partial(_description, found_space, resolution=resolution, fit=fit)
    (_print if seeds == 1 else _print_seeds)(output.console, found, lines)
    output.emit(found.to_json())


def _description(space: Any, found: Any, resolution: Optional[int], fit: Sequence[Any]) -> List[str]:
    """What the network of the best architecture costs, its picture, and the command that exports it."""
    from naslib_gennas.studies.export import describe

    try:
        return describe(space, space.parse(found.best.arch), found.folder, resolution, fit).lines()
    except InputError as error:  # the search is done and kept; its network may be one that cannot be measured
        return [f"Its network: {error}"]


def _print(console: Console, found: Any, description: Callable[[Any], List[str]]) -> None:
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
        for line in description(found):
            console.print(line, markup=False, soft_wrap=True)  # a command is copied
    pictures = ("search.png", "search.svg", "search.pdf", "architecture.svg")
    written(console, found.folder, "result.json", "history.csv", *pictures)


def _print_seeds(console: Console, found: Any, description: Callable[[Any], List[str]]) -> None:
    """Mean and standard deviation over the seeds, and what each has found."""

    def spread(value: Any, digits: int) -> str:
        if value is None:
            return ""
        deviation = "" if value["deviation"] is None else f" ± {value['deviation']:.{digits}f}"
        return f"{value['mean']:.{digits}f}{deviation}"

    first = found.searches[0]
    told = [("core_seconds", "core-seconds", 1), ("score", "score", 4)]
    told += [("truth", "truth", 2), ("regret", "regret", 2)] * (first.truth is not None)
    rows = [("", "seeds", *(head for _, head, _ in told))]
    for name, control in (("found", False), ("random search", True)):
        summary = found.summary(control)
        if summary["seeds"]:
            rows.append((name, str(summary["seeds"]), *(spread(summary[key], digits) for key, _, digits in told)))
    print_columns(console, *rows)
    if first.truth is not None:
        print_truth(console, first.truth.to_json())
        known = found.summary()["truth"]
        if known is not None and known["known"] < len(found.searches):
            console.print(f"  Only what {known['known']} of {len(found.searches)} seeds found is in it")
    for remark in found.remarks:
        console.print(remark, markup=False)
    for one in found.searches:
        if one.best is not None:
            known = "" if one.best.truth is None else f"{one.best.truth:.2f}  "
            console.print(f"seed {one.settings['seed']}  {known}{one.best.arch}", markup=False)
            for line in description(one):
                console.print(f"  {line}", markup=False, soft_wrap=True)
    written(console, found.folder, "result.json", "band.csv", "search.png", "search.svg", "search.pdf")

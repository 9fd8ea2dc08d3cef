"""What `gennas search` prints at its end: of one search, or of one under several seeds."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Sequence

from rich.console import Console
from rich.markup import escape

from naslib_gennas.cli.printing import print_columns, print_truth, written
from naslib_gennas.errors import InputError


def description(space: Any, found: Any, resolution: Optional[int], fit: Sequence[Any]) -> List[str]:
    """What the network of the best architecture costs, its picture, and the command that exports it."""
    from naslib_gennas.studies.export import describe

    try:
        return describe(space, space.parse(found.best.arch), found.folder, resolution, fit).lines()
    except InputError as error:  # the search is done and kept; its network may be one that cannot be measured
        return [f"Its network: {error}"]


def print_one(console: Console, found: Any, description: Callable[[Any], List[str]]) -> None:
    from naslib_gennas.studies.plots import rounded

    rows = [("", "evaluations", "core-seconds", "score", *(["truth", "regret"] if found.truth is not None else []))]
    for name, course in (("found", found.to_json()), ("random search", found.to_json()["control"])):
        if course is not None and course["evaluations"]:
            best = course["best"] or {"score": None, "truth": None}
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


def print_seeds(console: Console, found: Any, description: Callable[[Any], List[str]]) -> None:
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

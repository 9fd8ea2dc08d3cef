"""`gennas search` with several objectives."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

from rich.console import Console

from naslib_gennas.cli.printing import Output, emit, print_columns, print_truth, progress_bar, resumable, written
from naslib_gennas.errors import InputError

#: The most architectures that are printed.
SHOWN = 10


def wanted(objective: Sequence[str], **others: Any) -> bool:
    """Whether a trade-off is asked for, and not the search by the score alone.

    Args:
        objective: what `--objective` said.
        others: options that only the search by the score has; None, False and 0 count as not said.

    Raises:
        InputError: an option that has no use for a trade-off.
    """
    if tuple(objective) in ((), ("score",)):
        return False
    said = [f"--{name}" for name, value in others.items() if value]
    if said:
        raise InputError(f"a search by several objectives has no use for {', '.join(said)}; leave it out")
    return True


def run(
    space: Any, objectives: Sequence[Any], output: Output, total: Optional[int], options: Mapping[str, Any]
) -> None:
    """Search, print the front, and emit the result.

    Args:
        space: the search space.
        objectives: as `objectives.parse` gives them.
        total: how many evaluations there will be, where that is known.
        options: of `pareto.trade_off`.
    """
    from naslib_gennas.studies import pareto

    with (
        resumable(output),
        progress_bar(output.console, f"Searching {space.name}", total, options["budget"]) as advance,
    ):

        def show(method: str, evaluation: Any, done: int) -> None:
            doing = "random search" if method == pareto.RANDOM else f"generation {evaluation.generation}"
            advance(done, total, doing, evaluation.wall)

        found = pareto.trade_off(space, objectives, progress=show, **options)
    _print(output.console, found)
    emit(output, found)


def run_nasi(space: Any, objectives: Sequence[Any], output: Output, options: Mapping[str, Any]) -> None:
    """The same by NASI at several prices of a resource.

    Args:
        options: of `nasi_front.trade_off`.
    """
    from naslib_gennas.studies import nasi_front

    with resumable(output), progress_bar(output.console, f"NASI on {space.name}") as advance:

        def show(price: float, done: int, total: int) -> None:
            advance(done, total or None, f"price {price:g}")

        found = nasi_front.trade_off(space, objectives, progress=show, **options)
    _print(output.console, found)
    emit(output, found)


def _print(console: Console, found: Any) -> None:
    from naslib_gennas.studies.plots import rounded

    front, truth = found.front, found.truth
    # Of equal ones the first, evenly from the best in the first objective to the best in the others.
    distinct = list({tuple(one.values.values()): one for one in reversed(front)}.values())[::-1]
    count = min(SHOWN, len(distinct))
    chosen = [distinct[round(index * (len(distinct) - 1) / max(count - 1, 1))] for index in range(count)]
    header = [one.name for one in found.objectives] + ([truth.column] if truth is not None else [])
    rows = [(*header, "architecture")]
    for one in chosen:
        values = [aim.shown(one.values[aim.name]) for aim in found.objectives]
        rows.append((*values, *([rounded(one.truth, 2)] if truth is not None else []), one.arch))
    if chosen:
        print_columns(console, *rows)
    number = f"{len(front)} architecture{'s' * (len(front) != 1)}"
    shown = f" ({len(chosen)} of them above)" if len(chosen) < len(front) else ""
    console.print(f"Front: {number} that no other one dominates{shown}, after {found.evaluations} evaluations")
    measured = [str(one) for one in found.objectives if str(one) != one.name]
    if measured:
        console.print(f"Measured: {', '.join(measured)}", markup=False)
    volume = found.hypervolume
    if volume is not None and volume.control:
        beside = f"{volume.control[-1]:.3f} of random search"
        console.print(f"Hypervolume: {volume.found[-1]:.3f}, beside {beside} with as many evaluations")
    if truth is not None:
        print_truth(console, truth.to_json())
    for remark in found.remarks:
        console.print(remark, markup=False)
    if found.resumed:
        console.print(f"{found.resumed} of the evaluations were done by an earlier run")
    written(console, found.folder, "result.json", "front.csv", "history.csv", "front.png", "front.svg", "front.pdf")

"""What commands print: a console, a progress bar, columns, and results as JSON."""

from __future__ import annotations

import contextlib
import os
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, List, Mapping, Optional, Sequence

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from naslib_gennas.errors import EngineError

errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def room(console: Console) -> Optional[int]:
    """How many characters a line may have; None where nothing says so: in a file or pipe, lines stay whole."""
    return console.width if console.is_terminal or "COLUMNS" in os.environ else None


class _Console(Console):
    """A console that breaks sentences between words; what has none to break at, as an architecture, stays whole."""

    def print(self, *objects: Any, **options: Any) -> None:
        width = room(self)
        if width is not None and "soft_wrap" not in options and objects and isinstance(objects[0], str):
            text = Text.from_markup(objects[0], emoji=False) if options.pop("markup", True) else Text(objects[0])
            objects = (Text("\n").join(_broken(text, width)),)
        super().print(*objects, **options)


def _broken(text: Text, width: int) -> Iterator[Text]:
    """The lines of a text, broken between words; what goes on is indented as its beginning."""
    for line in text.split(allow_blank=True):
        indent = re.match(" *", line.plain).group()  # type: ignore[union-attr]
        breaks, start = [], 0
        for word in re.finditer(r"\S+", line.plain):
            if word.end() - start > (width if start == 0 else width - len(indent)) and word.start() > len(indent):
                start = word.start()
                breaks.append(start)
        for number, part in enumerate(line.divide(breaks)):
            part.rstrip()
            yield Text(indent) + part if number else part


@dataclass(frozen=True)
class Output:
    """Where a command prints and writes its result.

    Attributes:
        console: for people: stdout, or stderr where stdout is for JSON alone.
        json: the file that `--json` names, "-" for stdout, None for none.
    """

    console: Console
    json: Optional[str]

    def emit(self, content: Any) -> None:
        """Write a result as JSON where `--json` says."""
        from naslib_gennas import files

        if self.json == "-":
            print(files.to_json(content), flush=True)
        elif self.json is not None:
            files.write_output(self.json, files.to_json(content) + "\n")


def output(json: Optional[str]) -> Output:
    """The output of a command with `--json`.

    Raises:
        InputError: the file could not be written.
    """
    if json is not None and json != "-":
        from naslib_gennas import files

        files.check_writable(json)
    return Output(errors if json == "-" else _Console(highlight=False, soft_wrap=True, emoji=False), json)


class _Bar(Progress):
    """A progress bar with what is being done in a line below it: both fit into 80 columns."""

    def get_renderables(self) -> Iterator[RenderableType]:
        yield from super().get_renderables()
        for task in self.tasks:
            if task.fields["note"]:
                yield Text(f"  {task.fields['note']}", no_wrap=True, overflow="ellipsis", style="dim")


@contextlib.contextmanager
def resumable(to: Output, write: Optional[Callable[[Any], Any]] = None) -> Iterator[None]:
    """Run a study in the block; where it is stopped, emit what it has, and say that it can be gone on with.

    Args:
        to: where the result goes.
        write: makes the report of a result and gives the file; None: the study writes its files itself.
    """
    from naslib_gennas.studies.result import Interrupted

    try:
        yield
    except Interrupted as stopped:
        see = "" if write is None else f" See {write(stopped.result)}."
        to.emit(stopped.result.to_json())
        raise KeyboardInterrupt(
            f"{stopped.done} are in the store: the same command again goes on from there.{see}"
        ) from None


@contextlib.contextmanager
def progress_bar(
    console: Console, what: str, total: Optional[int] = None, budget: Optional[float] = None
) -> Iterator[Callable[..., None]]:
    """A live progress bar with rate and time left; gives ``advance(done, total, note, spent)``.

    Args:
        console: nothing is drawn where it is no terminal.
        what: a few words; long ones are cut, the numbers never are.
        total: how many there will be, where that is known from the start.
        budget: seconds that it may take: where there is no total, they are the total, and `spent` tells how many of
            them are gone.
    """
    first = "" if total is None else _of(0, total)
    if total is None and budget is not None:
        first = f"0  {_clock(0)} of {_clock(budget)}"
    bar = _Bar(
        TextColumn("{task.description}", table_column=Column(overflow="ellipsis", no_wrap=True, max_width=28)),
        BarColumn(bar_width=max(4, min(40, console.width - 72))),
        TextColumn("{task.fields[numbers]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task: TaskID = bar.add_task(what, total=budget if total is None else total, numbers=first, note="")
        before = 0

        def advance(done: int, total: Optional[int] = None, note: str = "", spent: Optional[float] = None) -> None:
            nonlocal before
            if done < before:  # the next thing of several: its rate is its own
                bar.reset(task)
            before = done
            elapsed = bar.tasks[0].elapsed or 0.0
            parts: List[str] = [_of(done, total)]
            if total is None and budget is not None and spent is not None:
                parts.append(f"{_clock(spent)} of {_clock(budget)}")
                bar.update(task, completed=min(spent, budget), total=budget, numbers="  ".join(parts), note=note)
                return
            if elapsed > 0:
                rate = done / elapsed
                parts += [f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.3g}/s", _clock(elapsed)]
                if total is not None and 0 < done < total:
                    parts.append(f"{_clock(elapsed / done * (total - done))} left")
            bar.update(task, completed=done, total=total, numbers="  ".join(parts), note=note)

        yield advance


def _of(done: int, total: Optional[int]) -> str:
    return f"{done:,}" if total is None else f"{done:,} of {total:,}"


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}" if minutes >= 60 else f"{minutes}:{second:02}"


def written(console: Console, folder: Any, *names: str) -> None:
    """Say which files of a run there are; nothing where the run has no folder."""
    if folder is not None:
        there = ", ".join(name for name in names if (Path(folder) / name).is_file())
        console.print(f"Written to {folder}: {there or 'nothing'}", markup=False)


def finish(to: Output, result: Any, show: Callable[[Console, Any], None], folder: Any, *names: str) -> None:
    """End a command: print its result, say which files there are, and emit it.

    Args:
        to: where the result goes.
        result: of a study, with its `failure`.
        show: prints it.
        folder: where its files are; `names` are theirs.

    Raises:
        EngineError: nothing could be scored.
    """
    show(to.console, result)
    written(to.console, folder, *names)
    emit(to, result)


def emit(to: Output, result: Any) -> None:
    """Write a result as JSON where `--json` says.

    Raises:
        EngineError: nothing could be scored.
    """
    to.emit(result.to_json())
    if result.failure:
        raise EngineError(result.failure)


def print_columns(console: Console, *rows: Sequence[str], keep: int = 1) -> None:
    """Rows of texts as columns, the header first.

    Nothing is cut. On a terminal nothing is wider than it, either: a last text that is too long stands below its row,
    and columns for which there is no room stand in a table of their own below.

    Args:
        console: where to.
        rows: texts, as many in each.
        keep: so many columns say what a row is about: they are in each table.
    """
    width, widths = room(console), [max(map(len, column)) for column in zip(*rows)]
    before = sum(widths[:-1]) + 2 * len(widths[:-1])
    if width is not None and before + widths[-1] > width:
        if before + len(rows[0][-1]) > width:
            for number, block in enumerate(_blocks(widths, width, keep)):
                if number:
                    console.print()
                _print_aligned(console, [[row[index] for index in block] for row in rows], width)
            return
    _print_aligned(console, rows, width)


def _print_aligned(console: Console, rows: Sequence[Sequence[str]], width: Optional[int]) -> None:
    """One table, its last texts below their rows where they would go beyond `width`."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    widths[-1] = 0
    for index, row in enumerate(rows):
        style = "bold" if index == 0 else None
        line = "  ".join(text.ljust(size) for text, size in zip(row, widths)).rstrip()
        if width is None or len(line) <= width:
            console.print(line, markup=False, style=style, soft_wrap=True)
            continue
        console.print("  ".join(map(str.ljust, row[:-1], widths)).rstrip(), markup=False, style=style, soft_wrap=True)
        indent = "  " if max(map(len, row[-1].split())) + 2 <= width else ""
        for part in textwrap.wrap(row[-1], width - len(indent), break_long_words=False, break_on_hyphens=False):
            console.print(indent + part, markup=False, style=style, soft_wrap=True)


def _blocks(widths: Sequence[int], width: int, keep: int) -> List[List[int]]:
    """Which columns stand beside each other, the first `keep` in every block."""
    first = list(range(keep))
    blocks, block = [], first
    for index in range(keep, len(widths)):
        wider = [*block, index]
        if len(block) > keep and sum(widths[one] + 2 for one in wider) - 2 > width:
            blocks.append(block)
            wider = [*first, index]
        block = wider
    return [*blocks, block]


def print_labels(console: Console, labels: Any) -> None:
    """Which labels they are, and what is to be known of the table that they are from."""
    better, *remarks = labels.about or ("higher is better",)
    console.print(f"Labels: {escape(labels.name)} ({escape(better)})")
    for remark in remarks:
        console.print(f"  {escape(remark)}")


def print_truth(console: Console, truth: Mapping[str, Any], matched: str = "") -> None:
    """Which ground truth it is, which values are better and how that was decided, and what was done to its rows.

    Args:
        truth: what `Truth.to_json` gives.
        matched: how many of the architectures it has, in words.
    """
    known = f", {matched}" if matched else ""
    console.print(f"Truth: {escape(truth['name'])} ({escape(truth['direction'])}){known}")
    for remark in truth["remarks"]:
        console.print(f"  {escape(remark)}")

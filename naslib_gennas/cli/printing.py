"""What commands print: a console, a progress bar, columns, and results as JSON."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, List, Mapping, Optional, Sequence

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from naslib_gennas.errors import InputError

errors = Console(stderr=True, highlight=False, soft_wrap=True)


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
            try:
                files.write_json(self.json, content)
            except OSError as error:
                raise InputError(f"output file '{self.json}' cannot be written: {error.strerror}") from None


def output(json: Optional[str]) -> Output:
    """The output of a command with `--json`.

    Raises:
        InputError: the file could not be written.
    """
    if json is not None and json != "-":
        from naslib_gennas import files

        files.check_writable(json)
    return Output(errors if json == "-" else Console(highlight=False, soft_wrap=True), json)


class _Bar(Progress):
    """A progress bar with what is being done in a line below it: both fit into 80 columns."""

    def get_renderables(self) -> Iterator[RenderableType]:
        yield from super().get_renderables()
        for task in self.tasks:
            if task.fields["note"]:
                yield Text(f"  {task.fields['note']}", no_wrap=True, overflow="ellipsis", style="dim")


@contextlib.contextmanager
def resumable(to: Output) -> Iterator[None]:
    """Run a study in the block; where it is stopped, emit what it has, and say that it can be gone on with.

    Args:
        to: where the result goes.
    """
    from naslib_gennas.studies.result import Interrupted

    try:
        yield
    except Interrupted as stopped:
        to.emit(stopped.result.to_json())
        raise KeyboardInterrupt(
            f"{stopped.done} are in the store: the same command again goes on from there."
        ) from None


@contextlib.contextmanager
def progress_bar(console: Console, what: str, total: Optional[int] = None) -> Iterator[Callable[..., None]]:
    """A live progress bar with rate and time left; gives ``advance(done, total, note)``.

    Args:
        console: nothing is drawn where it is no terminal.
        what: a few words; long ones are cut, the numbers never are.
        total: how many there will be, where that is known from the start.
    """
    bar = _Bar(
        TextColumn("{task.description}", table_column=Column(overflow="ellipsis", no_wrap=True, max_width=28)),
        BarColumn(bar_width=max(4, min(40, console.width - 72))),
        TextColumn("{task.fields[numbers]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task: TaskID = bar.add_task(what, total=total, numbers=_of(0, total), note="")
        before = 0

        def advance(done: int, total: Optional[int] = None, note: str = "") -> None:
            nonlocal before
            if done < before:  # the next thing of several: its rate is its own
                bar.reset(task)
            before = done
            elapsed = bar.tasks[0].elapsed or 0.0
            parts: List[str] = [_of(done, total)]
            if elapsed > 0:
                parts += [f"{done / elapsed:.3g}/s", _clock(elapsed)]
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


def print_columns(console: Console, *rows: Sequence[str]) -> None:
    """Rows of texts as columns, the header first; the last column may be long, and is never cut."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    widths[-1] = 0
    for index, row in enumerate(rows):
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip()
        console.print(line, markup=False, style="bold" if index == 0 else None)


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

"""`gennas reproduce`."""

from __future__ import annotations

import functools
from typing import Any, Dict, Optional, Tuple

import typer
from rich.console import Console
from rich.markup import escape
from typing_extensions import Annotated

from naslib_gennas.cli import options
from naslib_gennas.cli.options import OutFolder
from naslib_gennas.cli.printing import finish, print_columns, progress_bar, resumable


def reproduce(
    name: Annotated[
        Optional[str],
        typer.Argument(
            metavar="[NAME]", help="table1 to table10, figure5, figure6 or figure8; without one: what each is."
        ),
    ] = None,
    truth_folder: options.TruthFolders = None,
    truth: options.SpaceTruths = None,
    lower_is_better: options.SpacesLower = False,
    higher_is_better: options.SpacesHigher = False,
    scale: Annotated[
        str, options.how_much("--scale", metavar="SIZE", help="small: minutes on two cores; full: as published.")
    ] = "small",
    n: Annotated[
        Optional[str],
        options.how_much(
            "--n",
            metavar="N",
            help="Architectures per search space: 60, or 60,nds-*=20 for some of them.",
            show_default="those of the scale",
        ),
    ] = None,
    *,
    scoring: options.Scoring,
    out: OutFolder = None,
    output: options.Output,
) -> None:
    """Run a table or figure of the GenNAS paper again: our figures beside the published ones, as an HTML report.

    Example: [bold]gennas reproduce table1 --truth-folder tables[/]
    """
    if name is None:
        _list(output.console)
        return
    from naslib_gennas import files
    from naslib_gennas.studies import reproduce as study
    from naslib_gennas.studies import reproduction_report as report

    direction = options.direction(lower_is_better, higher_is_better)
    folder = files.folder(out or files.new_folder(f"reproduce-{name}"))
    write = functools.partial(report.write, folder=folder)
    with resumable(output, write), progress_bar(output.console, f"Running {name}") as advance:
        made = study.reproduce(
            name,
            scale,
            folders=truth_folder or (),
            truths=truth or (),
            higher_is_better=direction,
            n=n,
            progress=lambda what, done, total: advance(done, total, what),
            **scoring,
        )
    write(made)
    finish(output, made, _print, folder, "report.html", "result.json", "table.csv", "table.tex")


def _list(console: Console) -> None:
    from naslib_gennas.studies.reproduction import ENTRIES

    heads = ("name", "small", "full", "what")
    rows = [(one.name, one.small, one.full, one.title) for one in ENTRIES.values()]
    print_columns(console, heads, *rows)


def _print(console: Console, made: Any) -> None:
    from naslib_gennas.studies import reproduction_report as report

    cells: Dict[Tuple[str, str], Dict[str, Any]] = {}
    for cell in report.cells(made):
        cells.setdefault((cell.line, cell.column), {})[cell.measure] = cell
    measures = [name for name in made.entry.measures if any(name in own for own in cells.values())]
    rows = []
    for place, own in cells.items():
        if any(cell.ours is not None for cell in own.values()):
            texts = [report.text(own[name]) if name in own else ("", "", "") for name in measures]
            counts = (str(max(cell.n for cell in own.values())),)
            rows.append((*place, *counts, *(part for text in texts for part in (" ".join(text[:2]).strip(), text[2]))))
    if rows:
        heads = [part for name in measures for part in (report.NAMES.get(name, name), "paper")]
        kept = [index for index in range(len(rows[0])) if index < 3 or any(row[index] for row in rows)]
        table = [("", "", "n", *heads), *rows]
        print_columns(console, *([row[index] for index in kept] for row in table), keep=3)
    for line in [*report.summaries(made), *report.blanks(made), *report.notes(made)]:
        console.print(escape(line))
    for one in made.measured:
        if one.export:
            console.print(f"\nThe network of {escape(one.row.column)}:")
            console.print(escape(one.export), soft_wrap=True)

"""`gennas truth`."""

from __future__ import annotations

from pathlib import Path

import typer
from typing_extensions import Annotated

from naslib_gennas.cli import options
from naslib_gennas.cli.options import Output
from naslib_gennas.cli.printing import print_columns

truth = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    help="List or add tables of ground truth.\n\nExample: [bold]gennas truth list[/]",
)


@truth.command("list", cls=options.Command)
@options.expanded
def list_tables(output: Output) -> None:
    """List the tables that `--truth` finds by name, for every search space that has one.

    Example: [bold]gennas truth list[/]
    """
    from naslib_gennas import spaces
    from naslib_gennas import truth as tables

    content = [{"space": name, "truth": table} for name in spaces.names() for table in tables.installed(name)]
    print_columns(output.console, ("space", "truth"), *((row["space"], row["truth"]) for row in content))
    output.console.print(f"Tables that you add are kept in {tables.folder()}")
    output.emit(content)


@truth.command("add", cls=options.Command)
@options.expanded
def add(
    what: Annotated[str, typer.Argument(metavar="SPACE|nds", help="A search space, or nds for the files of NDS.")],
    source: Annotated[Path, typer.Argument(metavar="FILE|FOLDER", help="A table; for nds the folder of its files.")],
    *,
    output: Output,
) -> None:
    """Keep a table of ground truth, so that `--truth` finds it by name.

    Example: [bold]gennas truth add nds nds_data/[/]
    """
    from naslib_gennas import truth as tables

    content = [
        {"space": space, "table": str(table), "architectures": n} for space, table, n in tables.add(what, source)
    ]
    print_columns(
        output.console,
        ("space", "architectures", "table"),
        *((str(row["space"]), f"{row['architectures']:,}", str(row["table"])) for row in content),
    )
    output.emit(content)

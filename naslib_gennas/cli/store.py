"""`gennas store`."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Tuple

import typer
from typing_extensions import Annotated

from naslib_gennas._version import __version__
from naslib_gennas.cli import options
from naslib_gennas.cli.options import Output, StoreFile
from naslib_gennas.cli.printing import print_columns
from naslib_gennas.errors import InputError

store = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    help="List, export or delete kept scores.\n\nExample: [bold]gennas store list[/]",
)

ChosenSpace = Annotated[Optional[str], options.what("--space", metavar="SPACE", help="Only this search space.")]
ChosenProxy = Annotated[Optional[str], options.what("--proxy", metavar="NAME", help="Only this proxy.")]


@store.command("list", cls=options.Command)
@options.expanded
def list_scores(file: StoreFile = None, *, output: Output) -> None:
    """List what is kept: a line for every space, proxy, settings, input batch, seed and version.

    Example: [bold]gennas store list[/]
    """
    from naslib_gennas.scoring import store as kept

    path = file or kept.default_path()
    with kept.existing(path) as database:
        content = database.runs()
    rows: List[Tuple[str, ...]] = [
        ("space", "proxy", "settings", "inputs", "seed", "version", "scores", "not ok", "core-seconds")
    ]
    for run in content:
        about = [str(run[key]) for key in ("space", "proxy", "fingerprint", "inputs", "seed", "version", "scores")]
        about[2] = about[2][:8]
        rows.append((*about, str(run["not_ok"] or 0), f"{run['seconds'] or 0:.1f}"))
    print_columns(output.console, *rows, keep=3)
    output.console.print(f"{sum(run['scores'] for run in content)} scores in {path}")
    output.emit(content)


@store.command("export", cls=options.Command)
@options.expanded
def export(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv or .json file to write.")],
    space: ChosenSpace = None,
    proxy: ChosenProxy = None,
    file: StoreFile = None,
) -> None:
    """Write the kept scores into a table.

    Example: [bold]gennas store export scores.csv --space nasbench201[/]
    """
    from naslib_gennas import files
    from naslib_gennas.scoring import store as kept

    files.check_writable(target)
    with kept.existing(file or kept.default_path()) as database:
        count = kept.export(database, target, space=space, proxy=proxy)
    print(f"{count} scores written to {target}")


@store.command("prune", cls=options.Command)
@options.expanded
def prune(
    space: ChosenSpace = None,
    proxy: ChosenProxy = None,
    other_versions: Annotated[
        bool, options.what("--other-versions", help="Only scores of other versions of this package.")
    ] = False,
    failed: Annotated[bool, options.what("--failed", help="Only failed scores.")] = False,
    everything: Annotated[bool, options.what("--all", help="All of them.")] = False,
    file: StoreFile = None,
) -> None:
    """Delete kept scores that match all given options, and free their disk space.

    Example: [bold]gennas store prune --other-versions[/]
    """
    from naslib_gennas.scoring import store as kept

    chosen = {"space": space, "proxy": proxy, "status": "failed" if failed else None}
    chosen["version_not"] = __version__ if other_versions else None
    asked = {key: value for key, value in chosen.items() if value is not None}
    if not asked and not everything:
        raise InputError("say what to delete: --space, --proxy, --other-versions, --failed, or --all")
    with kept.existing(file or kept.default_path()) as database:
        print(f"{database.prune(**asked)} scores deleted")

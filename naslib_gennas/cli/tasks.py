"""`gennas tasks`."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import typer
from typing_extensions import Annotated

from naslib_gennas.cli import options
from naslib_gennas.cli.options import Output
from naslib_gennas.cli.printing import errors

tasks = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode="rich",
    add_completion=False,
    help="List the proxy tasks, or show one.\n\nExample: [bold]gennas tasks[/]",
)


@tasks.callback()
@options.expanded
def list_tasks(context: typer.Context, output: Output) -> None:
    """List the proxy tasks (`gennas-TASK` is the proxy of each), or show one.

    Example: [bold]gennas tasks show combo --plot combo.png[/]
    """
    if context.invoked_subcommand is not None:
        return
    from naslib_gennas.regression import tasks as known

    console = output.console
    content = [{"name": name, "kind": known.get(name).kind, "shipped": True} for name in known.names()]
    content += [{"name": name, "kind": "cnn", "shipped": False} for name in known.SINGLE_SIGNALS]
    console.print("Tasks: " + ", ".join(f"{about['name']} ({about['kind']})" for about in content if about["shipped"]))
    console.print("Single signals of table 1, at stage 3 (or 1, 2 as SIGNAL@1): " + ", ".join(known.SINGLE_SIGNALS))
    console.print(
        "A YAML file of your own works wherever a name does; `gennas tasks show NAME` prints one to start from."
    )
    output.emit(content)


@tasks.command("show", cls=options.Command)
@options.expanded
def show_task(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A task or a YAML file.")],
    seed: Annotated[int, options.what("--seed", min=0, metavar="N", help="Random seed of the drawn targets.")] = 0,
    plot: Annotated[
        Optional[Path], options.output("--plot", metavar="FILE", help="Draw the targets into a picture.")
    ] = None,
    *,
    output: Output,
) -> None:
    """Print a task as YAML, and draw its targets as the paper's figure 3 does.

    Example: [bold]gennas tasks show search-N --plot search-N.png[/]
    """
    import yaml

    from naslib_gennas import files
    from naslib_gennas.regression import tasks as known
    from naslib_gennas.studies import plots

    task = known.get(name)
    text = known.dump(task)
    if plot is not None:
        files.check_writable(plot)
        plots.plot_task(task, plot, seed=seed)
    output.console.print(text, markup=False, end="", soft_wrap=True)
    if plot is not None:
        errors.print(f"Targets drawn into {plot}")
    output.emit({"name": task.name, **yaml.safe_load(text)})

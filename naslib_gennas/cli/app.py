"""The Typer application: finds the commands, and turns mistakes, interrupts and warnings into a line."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import signal
import sys
import warnings
from typing import Any, Iterator, List, Optional

import typer
from rich.markup import escape
from typer.core import TyperGroup
from typing_extensions import Annotated

from naslib_gennas._version import __version__
from naslib_gennas.cli import options
from naslib_gennas.cli.printing import errors
from naslib_gennas.errors import EngineError, InputError

#: A command is the function (or, with commands of its own, the Typer object) of its name in the module of its name,
#: which is imported when the command is used. It imports what it calls when it runs: --help is not to wait for torch.
COMMANDS = (
    "rank",
    "compare",
    "leaderboard",
    "reproduce",
    "score",
    "search",
    "search-task",
    "agnostic",
    "export",
    "export-scores",
    "spaces",
    "tasks",
    "store",
    "truth",
    "doctor",
)

#: What a write says where there is no more room, or none may be taken.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)

USER_MISTAKE = 2
INTERRUPTED = 130


class _Commands(TyperGroup):
    """The commands of `COMMANDS`, imported when used. A mistake is one line and exit code 2, an interrupt 130."""

    def list_commands(self, ctx: Any) -> List[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        found = getattr(importlib.import_module(f"naslib_gennas.cli.{name}"), name)
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(add_completion=False, **_STYLE)
            found.command(cmd_name, cls=options.Command)(options.expanded(function))
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command

    def invoke(self, ctx: Any) -> Any:
        try:
            with _terminable(), _warnings_in_a_line():
                return super().invoke(ctx)
        except InputError as error:
            _fail(str(error), USER_MISTAKE)
        except EngineError as error:
            _fail(str(error), 1)
        except ImportError as error:
            if (error.name or "").startswith("naslib_gennas"):
                raise  # a fault of ours
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            _fail(f"{error.name or 'a package'} cannot be imported ({reason}); install or repair it", 1)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `gennas ... | head`
            raise typer.Exit(1) from None
        except KeyboardInterrupt as interrupt:
            errors.print(f"\n[bold yellow]Stopped.[/] {escape(str(interrupt))}")
            raise typer.Exit(INTERRUPTED) from None


_STYLE: Any = {
    "rich_markup_mode": "rich",
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}

app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    help="Score neural architectures without labels (GenNAS, arXiv:2108.01899).\n\n"
    "Example: [bold]gennas rank nasbench201[/]",
    **_STYLE,
)


def main() -> None:
    """What `gennas` and ``python -m naslib_gennas`` run."""
    try:
        app(prog_name="gennas")
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still in its buffer has no place
        what = error.filename or "the output"
        errors.print(f"[bold red]Error:[/] {escape(f'{what} cannot be written: {error.strerror}')}")
        sys.exit(1)


def _fail(message: str, code: int) -> None:
    errors.print(f"[bold red]Error:[/] {escape(message)}")
    raise typer.Exit(code) from None


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends a command the way Ctrl-C does: everything finished is kept."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt("terminated")

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    """Our warnings are for the user: one line, without the place in the code."""

    def show(message: Any, category: Any, *place: Any, **more: Any) -> None:
        if issubclass(category, RuntimeWarning):
            errors.print(f"[bold yellow]Warning:[/] {escape(str(message))}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _version(asked: Optional[bool]) -> None:
    if asked:
        print(f"gennas {__version__}")
        raise typer.Exit()


@app.callback()
@options.expanded
def _options(
    version: Annotated[
        Optional[bool], typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = None,
) -> None:
    pass

"""Programs in processes of their own, forked from this one, where torch is imported already: a start costs little.

Not for what needs a fresh interpreter (what is imported when, worker processes), nor while this process has the same
SQLite file open: its locks do not survive a fork. Those are started with `subprocess`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
import warnings
from typing import Any, Callable, Sequence

from naslib_gennas.cli.app import app


def forked(run: Callable[[], Any], **options: Any) -> subprocess.Popen[str]:
    """Start a function in a process of its own; its output is in pipes, as text.

    Args:
        run: what it does; SystemExit gives its exit code, another exception 1 and a traceback.
        options: of `subprocess.Popen`.
    """

    def child() -> None:
        # Popen waits until its own pipe is closed here, as it is when a program is started.
        os.closerange(3, 4096)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        warnings.resetwarnings()  # Python's own filters, not pytest's
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)
        warnings.showwarning = lambda message, kind, *_, **__: print(f"{kind.__name__}: {message}", file=sys.stderr)
        code = 1
        try:
            sys.stdin = open(0, closefd=False)
            sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
            run()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    usual = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(["python"], preexec_fn=child, **{**usual, **options})


def script(text: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start a script, as ``python -c`` does."""

    def run() -> None:
        sys.argv = ["-c", *map(str, arguments)]
        exec(compile(text, "<script>", "exec"), {"__name__": "__main__"})

    return forked(run, **options)


def command(arguments: Sequence[object], **options: Any) -> subprocess.Popen[str]:
    """Start the command `gennas` with these arguments."""
    return forked(lambda: app([str(argument) for argument in arguments], prog_name="gennas"), **options)


def done(process: subprocess.Popen[str], timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Wait for a process; gives its exit code and output."""
    out, errors = process.communicate(timeout=timeout)
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)

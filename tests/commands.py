"""Commands run in this process, what they print kept apart by where they print it, whichever click is installed."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from typer.testing import CliRunner as Typers

#: click before 8.2, the last for Python 3.9, mixes both streams unless told not to.
APART = {"mix_stderr": False} if "mix_stderr" in inspect.signature(Typers.__init__).parameters else {}


@functools.lru_cache(maxsize=None)
def both(result: Any) -> Any:
    """The class of such results whose `output` is both streams, as it is from click 8.2 on."""

    class Both(result):
        @property
        def output(self) -> str:
            return self.stdout + self.stderr

        @property
        def stdout(self) -> str:
            return self.stdout_bytes.decode(self.runner.charset, "replace").replace("\r\n", "\n")

    return Both


class CliRunner(Typers):
    def __init__(self, **more: Any) -> None:
        super().__init__(**APART, **more)

    def invoke(self, *arguments: Any, **more: Any) -> Any:
        done = super().invoke(*arguments, **more)
        if APART:
            done.__class__ = both(type(done))
        return done

"""Mistakes of the user, said in one line."""

from __future__ import annotations

import difflib
import numbers
from typing import Any, Iterable, List, Mapping


class InputError(ValueError):
    """A user's mistake: the message is one line that names the input, what is wrong and what would be right.

    The command line prints the message and exits with code 2; from Python it is an ordinary ``ValueError``. A message
    that shows too much of the input is cut in its middle.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(_line(str(message)))


_LONGEST = 480  # characters of a message
_TAIL = 160  # of them, of its end, where it says what would be right


def _line(message: str) -> str:
    if len(message) > _LONGEST:
        message = f"{message[: _LONGEST - _TAIL - 5]} ... {message[-_TAIL:]}"
    return message if message.isprintable() else "".join(c if c.isprintable() else " " for c in message)


class EngineError(RuntimeError):
    """The workers cannot work at all; what was scored before is in the store. The command line exits with code 1."""


def check_whole(name: str, value: Any, least: int = 1) -> None:
    """Refuse what is no whole number from `least` up; numpy's integers are whole numbers, True is not."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} is {value!r}; it takes a whole number from {least} up")


def suggest(name: str, known: Iterable[str]) -> str:
    """Say what `name` may have meant: ``"; did you mean 'combo'? Known: combo, single"``.

    Args:
        name: what the user wrote.
        known: every name that would have been right.
    """
    names = sorted(known)
    close = difflib.get_close_matches(name.lower(), [n.lower() for n in names], n=1, cutoff=0.5)
    hint = next((f"; did you mean '{n}'?" for n in names if close and n.lower() == close[0]), ";")
    return f"{hint} Known: {', '.join(names)}"


def differences(saved: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """What differs between two settings, such as ``seed was 0, is 1``; empty where nothing does."""
    parts = _differing(saved, asked, "")
    more = f"; and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else ""
    return "; ".join(parts[:_SHOWN]) + more


_SHOWN = 6


def _differing(saved: Mapping[str, Any], asked: Mapping[str, Any], place: str) -> List[str]:
    parts: List[str] = []
    for key in sorted({*saved, *asked}):
        before, after = saved.get(key), asked.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            parts += _differing(before, after, f"{place}{key}.")
        elif before != after:
            parts.append(f"{place}{key} was {_shown(before)}, is {_shown(after)}")
    return parts


def _shown(value: Any) -> str:
    text = repr(value) if value is not None else "not set"
    return text if len(text) <= 80 else f"{text[:77]}..."


def in_a_line(error: BaseException) -> str:
    """What an exception says, in one line of bounded length."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__


def said_by(error: BaseException) -> str:
    """The message of an exception without its kind, in one line of bounded length; the kind where it has none."""
    return " ".join(str(error).split())[:200] or type(error).__name__

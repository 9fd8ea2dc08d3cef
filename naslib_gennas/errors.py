"""Mistakes of the user, said in one line."""

from __future__ import annotations

import difflib
from typing import Iterable


class InputError(ValueError):
    """A user's mistake: the message is one line that names the input, what is wrong and what would be right.

    The command line prints the message and exits with code 2; from Python it is an ordinary ``ValueError``.
    """


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

"""Shows the doctests of docstrings as code."""

from __future__ import annotations

import re
from typing import Any

import griffe

DOCTEST = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)


class Doctests(griffe.Extension):
    """Puts a fence around each doctest that stands outside of a section of examples."""

    def on_object(self, *, obj: griffe.Object, **context: Any) -> None:
        """Called for everything that is read from the package."""
        if obj.docstring is not None:
            obj.docstring.value = DOCTEST.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)

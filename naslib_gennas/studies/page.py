"""The HTML page of a report: head and style are the same for all, its body is a template of its own in data/."""

from __future__ import annotations

import platform
from typing import Any, Sequence

import torch

from naslib_gennas._version import __version__


def render(template: str, title: str, summary: str, notes: Sequence[str], command: str, **values: Any) -> str:
    """A report as one HTML file that needs no network and runs no script.

    Every text is escaped, whatever is in the names of architectures, files and columns.

    Args:
        template: a file of data/ that extends page.html with the blocks ``body`` and, where needed, ``style`` and
            ``end``.
        title, summary: what the page begins with.
        notes: what a reader should know before the numbers, each a sentence.
        command: what repeats it.
        values: what the template shows.
    """
    from jinja2 import Environment, PackageLoader

    versions = (
        f"naslib-gennas {__version__}, torch {torch.__version__}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}."
    )
    environment = Environment(autoescape=True, loader=PackageLoader("naslib_gennas", "data"))
    return environment.get_template(template).render(
        title=title, summary=summary, notes=notes, command=command, versions=versions, **values
    )

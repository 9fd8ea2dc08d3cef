"""Which data set a table's accuracies were measured on, as its names say."""

from __future__ import annotations

from typing import Optional

from naslib_gennas.truth.benchmark_files import ANALOG
from naslib_gennas.truth.table import Truth

#: Data sets that a column or a file may be named after, as `plain` writes them.
NAMES = (
    *("cifar10", "cifar100", "imagenet16120", "ninapro", "svhn", "imagenet", "ptb"),
    *("classscene", "classobject", "jigsaw", "roomlayout", "segmentsemantic", "normal", "autoencoder"),
)


def of(table: Truth) -> Optional[str]:
    """The data set that a table's column, else its file, is named after, as `plain` writes it; None: none."""
    if table.name.startswith(ANALOG):  # NAS-Bench-201 trained anew on CIFAR-10
        return "cifar10"
    for text in (table.column, table.name):
        found = [name for name in NAMES if name in plain(text)]
        if found:
            return max(found, key=len)
    return None


def plain(text: str) -> str:
    """A name in small letters and digits alone."""
    return "".join(letter for letter in text.lower() if letter.isalnum())

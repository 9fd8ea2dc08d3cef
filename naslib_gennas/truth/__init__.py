"""Ground truth: tables of trained performance, labels and samples of them, and how well an order agrees with them."""

from naslib_gennas.truth.table import (
    ANALOG,
    ARCHITECTURE_COLUMNS,
    INSTALLED,
    Truth,
    add,
    find,
    folder,
    installed,
    load,
    read_table,
    split,
)

__all__ = [
    "ANALOG",
    "ARCHITECTURE_COLUMNS",
    "INSTALLED",
    "Truth",
    "add",
    "find",
    "folder",
    "installed",
    "load",
    "read_table",
    "split",
]

"""Ground truth: tables of trained performance, labels and samples of them, and how well an order agrees with them."""

from naslib_gennas.truth.benchmark_files import ANALOG
from naslib_gennas.truth.find import INSTALLED, add, find, folder, installed, load, split
from naslib_gennas.truth.table import Row, Truth, columns
from naslib_gennas.truth.user_tables import ARCHITECTURE_COLUMNS, read_table

__all__ = [
    "ANALOG",
    "ARCHITECTURE_COLUMNS",
    "INSTALLED",
    "Row",
    "Truth",
    "add",
    "columns",
    "find",
    "folder",
    "installed",
    "load",
    "read_table",
    "split",
]

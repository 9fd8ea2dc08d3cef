"""Tables that users write: CSV as programs and spreadsheets save it, and JSON.

Columns of a CSV table: ``arch`` (or ``architecture``, ``genotype``, ``recipe``; or ``matrix`` and ``ops``) in the
search space's notation, and any number of columns with numbers; a blank is a missing value. A column ``dataset`` parts
the table into sets, of which ``SET.COLUMN`` picks one. Fields are parted by commas, semicolons or tabs; the text is
UTF-8 or has a byte-order mark; numbers may have decimal commas where nothing else can be meant. JSON is a list of such
rows, or a mapping of set names to lists of rows, where rows may be lists beside a list ``columns``. Both may be
gzipped (``.gz``).
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from naslib_gennas.errors import InputError
from naslib_gennas.truth.table import Row, listed

ARCHITECTURE_COLUMNS = ("arch", "architecture", "genotype", "recipe")
SEPARATORS = ",;\t"
#: Bytes that a file may have, unpacked; the largest public benchmark is a few hundred million.
MOST_BYTES = 2**30

_DIGITS = re.compile(r"[+-]?[\d.,]+(?:[eE][+-]?\d+)?(?:[ \u00a0\u202f]?%)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+)?,\d+(?:[eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_POINT_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+", re.ASCII)


def kind(path: Path) -> str:
    """What a file's name says that it holds, without ``.gz``: ".csv", ".tsv", ".json" or another suffix."""
    return (Path(path.stem).suffix if path.suffix == ".gz" else path.suffix).lower()


def read_table(path: Path) -> List[Row]:
    """The rows of a CSV or JSON table (see the module), numbers as they are written.

    Raises:
        InputError: it cannot be read, has no column with architectures, a row that does not fit its columns, or two
            columns of one name; the message names the line or row.
    """
    where = f"truth '{path.name}'"
    if kind(path) not in (".csv", ".tsv", ".json"):
        raise InputError(f"{where} must be a .csv, .tsv, .json, .pth, .pkl or .pickle file (or .csv.gz, .json.gz)")
    text = read_text(path, where)
    if kind(path) == ".json":
        return list(_json_rows(where, parse_json(text, where)))
    return _csv_rows(where, text)


def read_text(path: Path, where: str) -> str:
    """The text of a file, gzipped or not: UTF-8, or as its byte-order mark says.

    Args:
        where: what messages call the file.

    Raises:
        InputError: it is no regular file, cannot be read, is no such text, or has more than `MOST_BYTES`.
    """
    try:
        if not path.is_file():
            raise InputError(f"{where}: {'not a regular file' if path.exists() else 'no such file'}")
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise InputError(f"{where} has more than {MOST_BYTES:,} bytes: part it")
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where} is no UTF-8 text (byte {error.start}): save it as UTF-8, 'CSV UTF-8' in a spreadsheet"
        ) from None
    except (OSError, EOFError, ValueError, zlib.error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where} cannot be read: {' '.join(str(error).split())[:200]}") from None
    if "\0" in text:
        raise InputError(f"{where} holds NUL bytes at character {text.index(chr(0))}: it is no text, or damaged")
    return text


def parse_json(text: str, where: str) -> Any:
    """JSON text, no key of an object twice.

    Raises:
        InputError: it is none; nested too deeply; a number too long to read.
    """

    def unique(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InputError(f"{where} has the key {twice[:60]!r} twice in one object")
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except RecursionError:
        raise InputError(f"{where} cannot be read: it is nested too deeply") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where} cannot be read: {' '.join(str(error).split())[:200]}") from None


# ------------------------------------------------------------------------------------------------------------------ CSV


def _csv_rows(where: str, text: str) -> List[Row]:
    asked = re.match(r"sep=([,;\t])\r?\n", text)  # how Excel is told
    if asked:
        text = text[asked.end() :]
    separator = asked.group(1) if asked else _separator(text)
    lines = _lines(where, text, separator)
    first = next(lines, None)
    if first is None:
        return []
    names = [name.strip() for name in first[1]]
    while names and not names[-1]:
        names.pop()
    twice = [name for index, name in enumerate(names) if name and name in names[:index]]
    if twice:
        raise InputError(f"{where} has two columns of the name {listed(twice[:1])}")
    table: List[List[str]] = []
    for number, fields in lines:
        if any(field.strip() for field in fields[len(names) :]):
            raise InputError(
                f"{where}, line {number}: {len(fields)} fields for the {len(names)} columns of the header; text that "
                f"holds the separator {separator!r} must be in quotes"
            )
        table.append((fields + [""] * len(names))[: len(names)])
    columns = dict(zip(names, (list(cells) for cells in zip(*table)))) if table else {name: [] for name in names}
    columns.pop("", None)
    special = _special(names)
    for name, cells in columns.items():
        if name not in special:
            columns[name] = _with_points(cells, separator)
    rows = [dict(zip(columns, cells)) for cells in zip(*columns.values())]
    if not rows:
        _architecture_of(where, dict.fromkeys(names))  # the header may be wrong already
    return list(_rows(where, rows, ""))


def _separator(text: str) -> str:
    """The separator by which the header has a column of architectures; else the commonest in it."""
    for separator in SEPARATORS:
        first = next(_lines("", text, separator), None)
        if first is not None and _special([name.strip() for name in first[1]]):
            return separator
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(SEPARATORS, key=header.count)


def _lines(where: str, text: str, separator: str) -> Iterator[Tuple[int, List[str]]]:
    """The number and the fields of each line that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=bool(where))
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                yield reader.line_num, fields
    except csv.Error as error:
        if where:
            raise InputError(f"{where}, line {reader.line_num} cannot be read: {error}") from None


def _with_points(cells: List[str], separator: str) -> List[str]:
    """A column's numbers with decimal points and without percent signs, where what was written has one meaning only.

    ``93,5`` has one; ``93,456`` may be thousands, so the rest of the column decides (``0,91`` beside it: a decimal
    comma; ``93.5``: thousands), then the separator: tables parted by semicolons have decimal commas. What stays open
    stays as it is and counts as no number.
    """
    if not any("," in cell or "%" in cell for cell in cells):
        return cells
    cells = [cell.strip() for cell in cells]
    numbers = {cell for cell in cells if len(cell) < 100 and _DIGITS.fullmatch(cell)}
    if numbers and all(cell.endswith("%") for cell in numbers):
        cells = [cell[:-1].rstrip() if cell in numbers else cell for cell in cells]
        numbers = {cell[:-1].rstrip() for cell in numbers}
    commas = {cell for cell in numbers if "," in cell}
    points = {cell for cell in numbers if "." in cell} - commas
    grouped = any("." in cell for cell in commas) and all(map(_POINT_THOUSANDS.fullmatch, points))
    decimal = all(map(_DECIMAL_COMMA.fullmatch, commas)) and (grouped or not points)
    thousands = all(map(_THOUSANDS.fullmatch, commas))
    if decimal and (not thousands or separator == ";"):
        written = commas | points
        return [cell.replace(".", "").replace(",", ".") if cell in written else cell for cell in cells]
    if thousands and not decimal:
        return [cell.replace(",", "") if cell in commas else cell for cell in cells]
    return cells


# ----------------------------------------------------------------------------------------------------------------- JSON


def _json_rows(where: str, content: Any) -> Iterator[Row]:
    sets = {"": content} if isinstance(content, list) else content
    if not isinstance(sets, dict):
        raise InputError(f"{where} must hold a list of rows, or a mapping of set names to lists of rows")
    columns = sets.get("columns")
    if columns is not None and not (isinstance(columns, list) and all(isinstance(name, str) for name in columns)):
        raise InputError(f"{where}: 'columns' must be a list of names")
    for group, rows in sets.items():
        if group == "columns" or not isinstance(rows, list):
            continue
        yield from _rows(where, (_dressed(where, n, row, columns) for n, row in enumerate(rows, start=1)), group)


def _dressed(where: str, number: int, row: Any, columns: Optional[Sequence[str]]) -> Any:
    """A row that is a list, with the names of its columns."""
    if columns is None or not isinstance(row, list):
        return row
    if len(row) != len(columns):
        raise InputError(f"{where}: row {number} has {len(row)} values for {len(columns)} columns")
    return dict(zip(columns, row))


# ----------------------------------------------------------------------------------------------------------------- rows


def _rows(where: str, rows: Iterable[Any], group: str) -> Iterator[Row]:
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise InputError(f"{where}: row {number} must have named columns, or the file a list 'columns'")
        special = _architecture_of(where, row)
        if "arch" in special:
            arch = row[special["arch"]]
        else:
            arch = {"matrix": _decoded(row[special["matrix"]]), "ops": _decoded(row[special["ops"]])}
        own = set(special.values())
        cells = {name: value for name, value in row.items() if name not in own}
        yield group or str(row.get(special.get("dataset", "")) or ""), arch, cells


def _architecture_of(where: str, row: Mapping[str, Any]) -> Dict[str, str]:
    special = _special(row)
    if not special:
        raise InputError(
            f"{where} has no column 'arch' (nor {', '.join(ARCHITECTURE_COLUMNS[1:])}, nor matrix and ops); it has "
            f"{listed([str(name) for name in row])}"
        )
    return special


def _special(names: Iterable[str]) -> Dict[str, str]:
    """The columns that hold no numbers: "arch", or "matrix" and "ops", and "dataset"; empty without an architecture."""
    known: Dict[str, str] = {}
    for name in names:
        known.setdefault(name.lower(), name)
    column = next((known[name] for name in ARCHITECTURE_COLUMNS if name in known), None)
    if column is not None:
        found = {"arch": column}
    elif "matrix" in known and "ops" in known:
        found = {}
    else:
        return {}
    return {**found, **{name: known[name] for name in ("matrix", "ops", "dataset") if name in known}}


def _decoded(value: Any) -> Any:
    """A matrix or a list of operations that a CSV cell holds as JSON text."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value

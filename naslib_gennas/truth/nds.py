"""The official files of "On Network Design Spaces" (NDS, arXiv:1905.13214), read once into compact tables.

The files are the user's to download: a folder with ``DARTS.json``, ``DARTS_fix-w-d.json``, ``DARTS_in.json`` and so on.
A file is a list of records, or a mapping with the lists ``top`` and ``mid``; a record has ``net`` (the architecture)
and ``test_ep_top1`` (test error in percent, an epoch each).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

from naslib_gennas.errors import InputError
from naslib_gennas.spaces.nds_cells import CellNet, NdsCells
from naslib_gennas.spaces.registry import get

#: The official name of the file of each search space.
FILES: Dict[str, str] = {
    "nds-darts": "DARTS",
    "nds-darts-fix": "DARTS_fix-w-d",
    "nds-darts-in": "DARTS_in",
    "nds-darts-fix-in": "DARTS_fix-w-d_in",
    "nds-amoeba": "Amoeba",
    "nds-amoeba-in": "Amoeba_in",
    "nds-enas": "ENAS",
    "nds-enas-fix": "ENAS_fix-w-d",
    "nds-enas-in": "ENAS_in",
    "nds-nasnet": "NASNet",
    "nds-nasnet-in": "NASNet_in",
    "nds-pnas": "PNAS",
    "nds-pnas-fix": "PNAS_fix-w-d",
    "nds-pnas-in": "PNAS_in",
    "nds-resnet": "ResNet",
    "nds-resnext-a": "ResNeXt-A",
    "nds-resnext-a-in": "ResNeXt-A_in",
    "nds-resnext-b": "ResNeXt-B",
    "nds-resnext-b-in": "ResNeXt-B_in",
}
COLUMNS = ("arch", "test_acc", "best_test_acc", "params", "flops")
TABLE = "nds.csv.gz"
# So many records say reliably whether a file is what its name says; fewer may all look alike by chance.
_ENOUGH = 200
# Median test errors are about 8% on CIFAR-10 and above 30% on ImageNet.
_IMAGENET_ERROR = 20.0


@dataclass(frozen=True)
class Added:
    """A table that was made: for which space, from which file, with how many records."""

    space: str
    source: Path
    table: Path
    records: int


def add(folder: Union[str, Path], target: Path) -> List[Added]:
    """Read every official file of `folder`, check it, and keep a compact table of each.

    All files are checked before a table is written. Other files, such as those of the learning-rate sweeps, are left
    alone.

    Args:
        folder: the folder with the official JSON files, or one above it.
        target: where tables are kept: ``target/SPACE/nds.csv.gz``.

    Raises:
        InputError: no such folder, no official file in it, or one that is truncated or mislabelled; the message names
            file and record.
    """
    sources = _sources(Path(folder))
    tables = {space: read(path, space) for space, path in sources.items()}
    added = []
    for space, rows in tables.items():
        table = target / space / TABLE
        _write(table, rows)
        added.append(Added(space, sources[space], table, len(rows)))
    return added


def read(path: Path, space: str) -> List[Tuple[Any, ...]]:
    """The rows (see `COLUMNS`) of one official file.

    Raises:
        InputError: the file cannot be read, is cut off, or holds something else than records of `space`.
    """
    found = get(space)
    records = _records(path)
    rows, nets, errors = [], [], []
    for index, record in enumerate(records):
        where = f"NDS file '{path.name}', record {index}"
        if not isinstance(record, Mapping) or not isinstance(record.get("net"), Mapping):
            raise InputError(f"{where} has no 'net'; an official record has net, optim and test_ep_top1")
        curve = record.get("test_ep_top1")
        if not isinstance(curve, list) or not curve or not all(_is_error(value) for value in curve):
            raise InputError(f"{where}: 'test_ep_top1' must be a list of test errors in percent, an epoch each")
        try:
            arch = found.parse(record["net"])
        except InputError as error:
            other = _home(records, space)
            hint = f"; it fits {other}: is the file {FILES[other]}.json?" if other else ""
            raise InputError(f"{where} is none of {space}: {str(error).split(': ', 1)[-1]}{hint}") from None
        nets.append(arch)
        errors.append(curve[-1])
        figures = [record.get(key, "") for key in ("params", "flops")]
        rows.append((found.format(arch), round(100 - curve[-1], 4), round(100 - min(curve), 4), *figures))
    _check_label(path, space, nets, errors)
    return rows


def _sources(folder: Path) -> Dict[str, Path]:
    if not folder.is_dir():
        raise InputError(f"NDS folder '{folder}': no such folder; it takes the one with DARTS.json and the like")
    for place in (folder, folder / "nds_data", folder / "data", folder / "nds" / "data"):
        found = {space: place / f"{name}.json" for space, name in FILES.items() if (place / f"{name}.json").is_file()}
        if found:
            return found
    raise InputError(f"NDS folder '{folder}' has none of the official files: {', '.join(FILES.values())}, each .json")


def _records(path: Path) -> List[Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"NDS file '{path.name}' is cut off or damaged at character {error.pos}: download it again"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"NDS file '{path.name}' cannot be read: {' '.join(str(error).split())}") from None
    if isinstance(content, Mapping):
        parts = [content[key] for key in ("top", "mid") if key in content]
        content = [record for part in parts if isinstance(part, list) for record in part] if parts else None
    if not isinstance(content, list) or not content:
        raise InputError(f"NDS file '{path.name}' must hold a list of records, or the lists 'top' and 'mid'")
    return content


def _home(records: List[Any], space: str) -> Optional[str]:
    """The space that all records fit, of few operations and trained on the same images first."""

    def preference(name: str) -> Tuple[bool, int]:
        return name.endswith("-in") != space.endswith("-in"), len(getattr(get(name), "operations", ()))

    for name in sorted(FILES, key=preference):
        found = get(name)
        try:
            archs = [found.parse(record) for record in records]
        except InputError:
            continue
        if not isinstance(found, NdsCells) or all(found.concatenates(arch) for arch in archs):
            return name
    return None


def _check_label(path: Path, space: str, nets: List[Any], errors: List[float]) -> None:
    """Refuse a file whose records parse but which is another than its name says."""
    found = get(space)
    if isinstance(found, NdsCells):
        sizes = {(net.width, net.depth) for net in nets if isinstance(net, CellNet)}
        fixed = "-fix" in space
        if fixed and len(sizes) > 1:
            raise InputError(
                f"NDS file '{path.name}' has networks of {len(sizes)} different widths and depths, but the records of "
                f"{space} share one: is it {FILES[space.replace('-fix', '')]}.json?"
            )
        sibling = f"{space[:-3]}-fix-in" if space.endswith("-in") else f"{space}-fix"
        if not fixed and len(sizes) == 1 and len(nets) >= _ENOUGH and sibling in FILES:
            raise InputError(
                f"NDS file '{path.name}' has networks of one width and depth only: is it {FILES[sibling]}.json?"
            )
    if len(errors) >= _ENOUGH and (statistics.median(errors) > _IMAGENET_ERROR) != space.endswith("-in"):
        images = "CIFAR-10" if space.endswith("-in") else "ImageNet"
        raise InputError(
            f"NDS file '{path.name}' has a median test error of {statistics.median(errors):.1f}%, as records trained "
            f"on {images} have: it is not the file of {space}"
        )


def _is_error(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 100


def _write(path: Path, rows: List[Tuple[Any, ...]]) -> None:
    """Write a whole table or none."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without a time stamp the same records give the same bytes.
        partial.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
        os.replace(partial, path)
    except OSError as error:
        if partial.is_file():
            partial.unlink()
        raise InputError(f"table '{path}' cannot be written: {error.strerror}") from None

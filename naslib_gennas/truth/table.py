"""Ground truth: trained performance of architectures, read from tables and matched by what architectures compute.

A table is a file of the user (CSV or JSON, ``.gz`` or not), the PyPI package ``analog-nasbench``, the official
NAS-Bench-201 file, or one of the files that NASLib reads. An architecture is looked up as it is written first, then by
`SearchSpace.key`, so that isomorphic architectures match.

Columns of a CSV table: ``arch`` (or ``architecture``, ``genotype``, ``recipe``; or ``matrix`` and ``ops``) in the
search space's notation, and any number of columns with numbers; a blank is a missing value. A column ``dataset`` parts
the table into sets, of which ``SET.COLUMN`` picks one. JSON is a list of such rows, or a mapping of set names to lists
of rows, where rows may be lists beside a list ``columns``.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import json
import math
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import platformdirs

from naslib_gennas import pickles, spaces
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.spaces.space import SearchSpace

ANALOG = "analog-nasbench"
#: Asks `find` for the table that is there for the space, if any.
INSTALLED = "installed"
ARCHITECTURE_COLUMNS = ("arch", "architecture", "genotype", "recipe")
# What a table is read for when no column is asked for: the first of these that it has, else its only column.
USUAL_COLUMNS = (
    "accuracy",
    "cifar10_test_acc",
    "cifar10_valid_acc",
    "class_scene",
    "ptb_test_loss",
    "baseline_accuracy",
    "eval_acc1es",
    "final_test_accuracy",
    "test_acc",
    "valid_acc",
    "acc",
)
_LOWER_WORDS = ("loss", "losses", "error", "err", "perplexity", "ppl", "latency", "time", "seconds")


@dataclass(frozen=True)
class Truth:
    """One column of a table, for one search space.

    Attributes:
        name: what results call it, e.g. ``nasbench201.csv:cifar10_test_acc``.
        column: the column's name.
        higher_is_better: False for losses and the like.
        texts: value by an architecture as `SearchSpace.format` writes it.
        keys: value by `SearchSpace.key`: the mean over isomorphic architectures.
        skipped: rows without a usable value or architecture.
        complete: whether it holds the whole search space.
    """

    name: str
    column: str
    higher_is_better: bool
    texts: Mapping[str, float]
    keys: Mapping[str, float] = field(repr=False)
    skipped: int = 0
    complete: bool = False

    def of(self, space: SearchSpace[Any], arch: Any) -> Optional[float]:
        """The true value of `arch`, as the table has it; None where it has none."""
        value = self.texts.get(space.format(arch))
        return self.keys.get(space.key(arch)) if value is None else value

    def better(self, value: float) -> float:
        """`value` with the sign that makes higher better, for correlations."""
        return value if self.higher_is_better else -value

    @property
    def best(self) -> float:
        """The best value of the table."""
        values = self.keys.values() if not self.texts else self.texts.values()
        return max(values) if self.higher_is_better else min(values)

    def to_json(self) -> Dict[str, Any]:
        return {
            "name": self.name,
            "column": self.column,
            "higher_is_better": self.higher_is_better,
            "architectures": len(self.texts) or len(self.keys),
            "best": self.best,
        }


#: One row of a table: its set ("" where there are none), its architecture in any form that `parse` takes, its numbers.
Row = Tuple[str, Any, Mapping[str, Any]]


def installed(space: Union[str, SearchSpace[Any]]) -> List[str]:
    """The tables for a search space that are there without naming a file: what `load` takes as a name."""
    name = space if isinstance(space, str) else space.name
    found = [ANALOG] if name == "nasbench201" and importlib.util.find_spec("analognasbench") else []
    return found + sorted(path.name for path in (folder() / name).glob("[!.]*") if path.is_file())


def folder() -> Path:
    """Where `add` keeps tables: a folder a search space, among the user's data."""
    return Path(platformdirs.user_data_path("naslib-gennas")) / "truth"


def add(what: str, source: Union[str, Path]) -> List[Tuple[str, Path, int]]:
    """Keep ground truth among the user's data, where `installed` finds it.

    Args:
        what: a search space, or "nds" for the official files of "On Network Design Spaces".
        source: a table of that space, which is copied; for "nds" the folder with the official files, which are read
            into compact tables.

    Returns:
        The space, the kept table and its number of architectures, for every table.

    Raises:
        InputError: an unknown space, or a source that holds something else.
    """
    if what == "nds":
        from naslib_gennas.spaces import nds_records

        return [(added.space, added.table, added.records) for added in nds_records.add(source, folder())]
    space, path = spaces.get(what), Path(source)
    if not path.is_file():
        raise InputError(f"truth '{path}': no such file")
    rows = read_table(path) if path.suffix in (".csv", ".json", ".gz") else ()
    columns = {column for _, _, numbers in rows for column in numbers}
    checked = load(f"{path}:{sorted(columns)[0]}" if columns else path, space)
    kept = folder() / space.name / path.name
    partial = kept.with_name(f".{kept.name}.{os.getpid()}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, partial)
        os.replace(partial, kept)
    except OSError as error:
        if partial.is_file():
            partial.unlink()
        raise InputError(f"table '{kept}' cannot be written: {error.strerror}") from None
    return [(space.name, kept, len(checked.texts) or len(checked.keys))]


def find(
    spec: Union[str, Path, Truth, None], space: SearchSpace[Any], higher_is_better: Optional[bool] = None
) -> Optional[Truth]:
    """As `load`; "installed" is the table that is there for the space, if any, and None is none."""
    if spec == INSTALLED:
        spec = next(iter(installed(space)), None)
    return None if spec is None else load(spec, space, higher_is_better)


def load(spec: Union[str, Path, Truth], space: SearchSpace[Any], higher_is_better: Optional[bool] = None) -> Truth:
    """The ground truth that ``NAME``, ``NAME:COLUMN``, ``FILE``, ``FILE:COLUMN`` or ``FILE:SET.COLUMN`` names.

    Args:
        spec: a name from `installed`, or a file: a table (see the module), the official ``NAS-Bench-201*.pth``,
            NASLib's ``nb201_*_full_training.pickle`` or ``nasbench_only108.pkl``.
        space: whose architectures the table holds.
        higher_is_better: None: as the column's name says (a loss, error, perplexity or time is lower-is-better).

    Raises:
        InputError: no such file, a file without the needed columns, or one without an architecture of `space`.
    """
    if isinstance(spec, Truth):
        return spec
    name, wanted = split(str(spec))
    if name == ANALOG:
        _only(space, "nasbench201", ANALOG)
        return _collect(ANALOG, _analog(), wanted, space, higher_is_better)
    path = Path(name)
    if not path.is_file() and name in installed(space):
        path = folder() / space.name / name
    if not path.is_file():
        known = installed(space)
        hint = f"; installed for {space.name}: {', '.join(known)}" if known else ""
        if ANALOG not in known and space.name == "nasbench201":
            hint = f"; or '{ANALOG}' after: pip install {ANALOG}"
        raise InputError(f"truth '{name}': no such file{hint}")
    if path.suffix == ".pth":
        _only(space, "nasbench201", path.name)
        return _collect(path.name, _official_nasbench201(path), wanted, space, higher_is_better)
    if path.suffix in (".pkl", ".pickle"):
        content = pickles.load(path)
        if _is_nasbench101(content):
            _only(space, "nasbench101", path.name)
            return _nasbench101(path.name, content, wanted, space)
        return _collect(path.name, _naslib_nasbench201(content, path.name), wanted, space, higher_is_better)
    return _collect(path.name, read_table(path), wanted, space, higher_is_better)


def split(spec: str) -> Tuple[str, str]:
    """The file or name, and the column ("" where none is asked for)."""
    if Path(spec).is_file():
        return spec, ""
    name, colon, column = spec.rpartition(":")
    return (name, column) if colon and name and not set(column) & set("/\\") else (spec, "")


def _only(space: SearchSpace[Any], wanted: str, name: str) -> None:
    if space.name != wanted:
        raise InputError(f"truth '{name}' is for {wanted}, not for {space.name}")


def _collect(
    name: str, rows: Iterable[Row], wanted: str, space: SearchSpace[Any], higher_is_better: Optional[bool]
) -> Truth:
    """Choose the column, parse the architectures, average over isomorphic ones."""
    table = list(rows)
    if not table:
        raise InputError(f"truth '{name}' has no rows")
    chosen_set, column = _choose(name, table, wanted)
    texts: Dict[str, float] = {}
    groups: Dict[str, List[float]] = {}
    skipped, problem = 0, ""
    for group, raw, numbers in table:
        if chosen_set and group != chosen_set:
            continue
        value = _number(numbers.get(column))
        if value is None:
            skipped += 1
            continue
        try:
            arch = space.parse(raw)
        except InputError as error:
            skipped, problem = skipped + 1, problem or str(error)
            continue
        texts[space.format(arch)] = value
        groups.setdefault(space.key(arch), []).append(value)
    if not texts:
        why = f"; the first is: {problem[:160]}" if problem else f": column '{column}' holds no numbers"
        raise InputError(f"truth '{name}' has no architecture of {space.name}{why}")
    keys = {key: sum(values) / len(values) for key, values in groups.items()}
    higher = _higher_is_better(column) if higher_is_better is None else higher_is_better
    label = f"{chosen_set}.{column}" if chosen_set else column
    complete = space.count is not None and len(texts) >= space.count
    return Truth(f"{name}:{label}", column, higher, texts, keys, skipped, complete)


def _choose(name: str, table: Sequence[Row], wanted: str) -> Tuple[str, str]:
    """The set ("" for all rows) and the column that ``COLUMN``, ``SET``, ``SET.COLUMN`` or "" asks for."""
    sets = list(dict.fromkeys(group for group, _, _ in table))
    group, column = "", wanted
    for candidate in sorted(filter(None, sets), key=len, reverse=True):
        if wanted == candidate or wanted.startswith(candidate + "."):
            group, column = candidate, wanted[len(candidate) + 1 :]
            break
    columns = list(dict.fromkeys(key for row_set, _, numbers in table if group in ("", row_set) for key in numbers))
    if not column:
        usual = next((c for c in USUAL_COLUMNS if c in columns), None)
        if usual is None and len(columns) != 1:
            raise InputError(f"truth '{name}': choose a column as {name}:COLUMN; it has {', '.join(columns) or 'none'}")
        column = usual or columns[0]
    if column not in columns:
        named = [*columns, *(f"{s}.{c}" for s in sets if s for c in columns)]
        raise InputError(f"truth '{name}': no column '{column}'{suggest(column, named)}")
    if not group and len(sets) > 1 and _sets_disagree(table, column):
        group = sets[0]
    return group, column


def _sets_disagree(table: Sequence[Row], column: str) -> bool:
    """Whether the sets say different things of one architecture, as the data sets of a benchmark do."""
    seen: Dict[str, Any] = {}
    return any(seen.setdefault(str(raw), numbers.get(column)) != numbers.get(column) for _, raw, numbers in table)


def _number(value: Any) -> Optional[float]:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _higher_is_better(column: str) -> bool:
    return not set(column.lower().replace("-", "_").split("_")) & set(_LOWER_WORDS)


# ------------------------------------------------------------------------------------------------------ user's tables


def read_table(path: Path) -> Iterator[Row]:
    """The rows of a CSV or JSON table (see the module).

    Raises:
        InputError: it cannot be read, or has no column with architectures.
    """
    name = path.name
    kind = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8") as file:
            if kind == ".json":
                yield from _json_rows(name, json.load(file))
            elif kind == ".csv":
                yield from _rows(name, csv.DictReader(file), "")
            else:
                raise InputError(
                    f"truth '{name}' must be a .csv, .json, .pth, .pkl or .pickle file (or .csv.gz, .json.gz)"
                )
    except (OSError, EOFError, UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise InputError(f"truth '{name}' cannot be read: {' '.join(str(error).split())}") from None


def _json_rows(name: str, content: Any) -> Iterator[Row]:
    sets = {"": content} if isinstance(content, list) else content
    if not isinstance(sets, dict):
        raise InputError(f"truth '{name}' must hold a list of rows, or a mapping of set names to lists of rows")
    columns = sets.get("columns")
    for group, rows in sets.items():
        if group == "columns" or not isinstance(rows, list):
            continue
        dressed = [dict(zip(columns, row)) if columns and isinstance(row, list) else row for row in rows]
        yield from _rows(name, dressed, group)


def _rows(name: str, rows: Iterable[Any], group: str) -> Iterator[Row]:
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise InputError(f"truth '{name}': row {number} must have named columns, or the file a list 'columns'")
        column = next((c for c in ARCHITECTURE_COLUMNS if c in row), None)
        if column:
            arch = row[column]
        elif "matrix" in row and "ops" in row:
            arch = {"matrix": _decoded(row["matrix"]), "ops": _decoded(row["ops"])}
        else:
            raise InputError(
                f"truth '{name}' has no column 'arch' (nor {', '.join(ARCHITECTURE_COLUMNS[1:])}, nor matrix and ops); "
                f"it has {', '.join(str(key) for key in row)}"
            )
        own = {column, "matrix", "ops", "dataset", None}
        numbers = {key: value for key, value in row.items() if key not in own and _is_numeric(value)}
        yield group or str(row.get("dataset") or ""), arch, numbers


def _decoded(value: Any) -> Any:
    """A matrix or a list of operations that a CSV cell holds as JSON text."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        return value


def _is_numeric(value: Any) -> bool:
    """Whether a cell may belong to a column of numbers: a number, or nothing."""
    return value in (None, "") or _number(value) is not None or str(value).lower() in ("nan", "inf", "-inf")


# ---------------------------------------------------------------------------------------------------- benchmark files


class _Record:
    """Stands in for the classes that analog-nasbench pickles: its attributes, nothing else."""


def _analog() -> Iterator[Row]:
    if importlib.util.find_spec("analognasbench") is None:
        raise InputError(f"truth '{ANALOG}' is not installed: pip install {ANALOG}, or naslib-gennas[demo]")
    # Found without importing the package, whose own module needs the pkg_resources that setuptools has dropped.
    spec = importlib.util.find_spec("analognasbench")
    assert spec is not None and spec.submodule_search_locations is not None
    content = (Path(spec.submodule_search_locations[0]) / "data.anb").read_bytes()
    stand_ins = {("analognasbench.data", name): _Record for name in ("Architecture", "DriftMeasurement")}
    for indices, record in pickles.load(content, stand_ins=stand_ins).items():
        numbers = {key: getattr(value, "value", value) for key, value in vars(record).items() if key != "architecture"}
        yield "", _from_naslib_indices(indices), numbers


def _from_naslib_indices(indices: Sequence[int]) -> Tuple[str, ...]:
    """NASLib's tuple of operation numbers as NAS-Bench-201's operations: both the numbers and the edges differ."""
    operations = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
    edges = (0, 1, 3, 2, 4, 5)  # NASLib: 0-1, 0-2, 0-3, 1-2, 1-3, 2-3; the benchmark: 0-1, 0-2, 1-2, 0-3, 1-3, 2-3
    return tuple(operations[indices[edge]] for edge in edges)


def _naslib_nasbench201(content: Any, name: str) -> Iterator[Row]:
    """nb201_*_full_training.pickle: arch string -> data set -> learning curves; the last epoch counts."""
    if not isinstance(content, dict):
        raise InputError(f"truth '{name}' is none of the benchmark files that are known: it holds no mapping")
    for arch, sets in content.items():
        if not isinstance(sets, dict):
            raise InputError(
                f"truth '{name}' is none of the benchmark files that are known (arch -> data set -> curves)"
            )
        for group, curves in sets.items():
            if not isinstance(curves, dict):
                continue
            numbers = {}
            for key, value in curves.items():
                last = value[-1] if isinstance(value, (list, tuple)) and value else value
                if _number(last) is not None:
                    numbers[key] = last
            yield str(group), arch, numbers


def _is_nasbench101(content: Any) -> bool:
    """Whether it looks like nasbench_only108.pkl: module hash -> (fixed statistics, epochs -> repeats)."""
    if not isinstance(content, dict) or not content:
        return False
    first = next(iter(content.values()))
    return isinstance(first, (list, tuple)) and len(first) == 2 and "module_adjacency" in first[0]


def _nasbench101(name: str, content: Mapping[str, Any], wanted: str, space: SearchSpace[Any]) -> Truth:
    """nasbench_only108.pkl, by module hash: the mean over the repeats of 108 epochs, accuracies in percent."""
    column = wanted or "final_test_accuracy"
    module, (fixed, computed) = next(iter(content.items()))
    first = {"matrix": fixed["module_adjacency"].tolist(), "ops": list(fixed["module_operations"])}
    if space.key(space.parse(first)) != module:
        raise InputError(f"truth '{name}' does not key its architectures by NAS-Bench-101's module hash")
    known = [*computed[108][0], *(key for key in fixed if not key.startswith("module_"))]
    if column not in known:
        raise InputError(f"truth '{name}': no column '{column}'{suggest(column, known)}")
    factor = 100.0 if "accuracy" in column else 1.0
    keys = {}
    for module, (fixed, computed) in content.items():
        repeats = [fixed[column]] if column in fixed else [run[column] for run in computed[108]]
        keys[module] = factor * sum(map(float, repeats)) / len(repeats)
    return Truth(f"{name}:{column}", column, _higher_is_better(column), {}, keys, complete=len(keys) >= 423000)


def _official_nasbench201(path: Path) -> Iterator[Row]:
    """The official file, through the package nas-bench-201: accuracies after 200 epochs, the mean over the seeds."""
    import numpy as np
    import torch

    try:
        from nas_201_api import ArchResults
    except ImportError:
        raise InputError(
            f"truth '{path.name}' needs the package nas-bench-201: pip install 'naslib-gennas[nasbench201]'"
        ) from None
    core: Any = getattr(np, "_core", None) or np.core
    plain = [core.multiarray.scalar, core.multiarray._reconstruct, np.dtype, np.ndarray, type(np.dtype("float64"))]
    try:
        # Without its API class, which copies all of the two gigabytes twice; and nothing but plain data is read.
        with torch.serialization.safe_globals(plain):
            content = torch.load(path, map_location="cpu", weights_only=True)
        arches, infos = content["meta_archs"], content["arch2infos"]
    except OSError as error:
        raise InputError(f"truth '{path.name}' cannot be read: {error.strerror}") from None
    except Exception as error:  # torch says in many ways that a file is not its own
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"truth '{path.name}' is not the official NAS-Bench-201 file: {reason}") from None
    figures = {
        "cifar10_valid_acc": ("cifar10-valid", "x-valid"),
        "cifar10_test_acc": ("cifar10", "ori-test"),
        "cifar100_valid_acc": ("cifar100", "x-valid"),
        "cifar100_test_acc": ("cifar100", "x-test"),
        "ImageNet16-120_valid_acc": ("ImageNet16-120", "x-valid"),
        "ImageNet16-120_test_acc": ("ImageNet16-120", "x-test"),
    }
    for index, info in infos.items():
        results = ArchResults.create_from_state_dict(info["full"])
        there = results.get_dataset_names()
        numbers = {
            column: results.get_metrics(dataset, part)["accuracy"]
            for column, (dataset, part) in figures.items()
            if dataset in there
        }
        yield "", arches[index], numbers

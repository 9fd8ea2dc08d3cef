"""Benchmark files as others publish them: analog-nasbench, NAS-Bench-201's own file, and those that NASLib reads."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from naslib_gennas import pickles
from naslib_gennas.errors import InputError
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.truth import direction as directions
from naslib_gennas.truth import table
from naslib_gennas.truth.table import Row, Truth, unknown_column

ANALOG = "analog-nasbench"
#: Architectures of NAS-Bench-101; the published file lacks a few of the 423,624.
_NEARLY_ALL = 423000


def load(path: Path, wanted: str, space: SearchSpace[Any], higher_is_better: Optional[bool] = None) -> Truth:
    """The truth of a ``.pth``, ``.pkl`` or ``.pickle`` file; see `find.load` for the arguments.

    Raises:
        InputError: it is none of the files that are known, or of another search space.
    """
    if path.suffix == ".pth":
        only(space, "nasbench201", path.name)
        return table.collect(path.name, _official_nasbench201(path), wanted, space, higher_is_better)
    content = pickles.load(path)
    if _is_nasbench101(content):
        only(space, "nasbench101", path.name)
        return _nasbench101(path.name, content, wanted, space, higher_is_better)
    return table.collect(path.name, _naslib_nasbench201(content, path.name), wanted, space, higher_is_better)


def only(space: SearchSpace[Any], wanted: str, name: str) -> None:
    """Refuse a benchmark of another search space.

    Raises:
        InputError: `space` is not the one that the benchmark is of.
    """
    if space.name != wanted:
        raise InputError(f"truth '{name}' is for {wanted}, not for {space.name}")


def analog_installed() -> bool:
    """Whether the package analog-nasbench is there."""
    return importlib.util.find_spec("analognasbench") is not None


class _Record:
    """Stands in for the classes that analog-nasbench pickles: its attributes, nothing else."""


def analog() -> Iterator[Row]:
    """NAS-Bench-201, re-trained on CIFAR-10, as the package analog-nasbench has it.

    Raises:
        InputError: the package is not installed.
    """
    if importlib.util.find_spec("analognasbench") is None:
        raise InputError(f"truth '{ANALOG}' is not installed: pip install {ANALOG}")
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
                if table.number(last) is not None:
                    numbers[key] = last
            yield str(group), arch, numbers


def _is_nasbench101(content: Any) -> bool:
    """Whether it looks like nasbench_only108.pkl: module hash -> (fixed statistics, epochs -> repeats)."""
    if not isinstance(content, dict) or not content:
        return False
    first = next(iter(content.values()))
    pair = isinstance(first, (list, tuple)) and len(first) == 2
    return pair and isinstance(first[0], Mapping) and "module_adjacency" in first[0]


def _nasbench101(
    name: str, content: Mapping[str, Any], wanted: str, space: SearchSpace[Any], higher_is_better: Optional[bool]
) -> Truth:
    """nasbench_only108.pkl, by module hash: the mean over the repeats of 108 epochs, accuracies in percent."""
    column = wanted or "final_test_accuracy"
    keys: Dict[str, float] = {}
    skipped = 0
    module: Any = None
    try:
        module, (fixed, computed) = next(iter(content.items()))
        first = {"matrix": fixed["module_adjacency"].tolist(), "ops": list(fixed["module_operations"])}
        if space.key(space.parse(first)) != module:
            raise InputError(f"truth '{name}' does not key its architectures by NAS-Bench-101's module hash")
        known = [*computed[108][0], *(key for key in fixed if not key.startswith("module_"))]
        if column not in known:
            raise unknown_column(name, column, known)
        factor = 100.0 if "accuracy" in column else 1.0
        for module, (fixed, computed) in content.items():
            repeats = [fixed[column]] if column in fixed else [run[column] for run in computed[108]]
            value = factor * sum(map(float, repeats)) / len(repeats)
            if math.isfinite(value):
                keys[module] = value
            else:
                skipped += 1
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:120]
        raise InputError(
            f"truth '{name}': module {str(module)[:40]!r} is not as in nasbench_only108.pkl ({reason})"
        ) from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"truth '{name}': module {str(module)[:40]!r} has a value that is no number") from None
    if not keys:
        raise InputError(f"truth '{name}': column '{column}' holds no numbers")
    better = directions.of(column, higher_is_better)
    remark = f"{skipped:,} of {len(content):,} architectures have no finite '{column}' and are left out"
    return Truth(
        f"{name}:{column}",
        column,
        better.higher_is_better,
        {},
        keys,
        skipped,
        complete=len(keys) >= _NEARLY_ALL,
        decided=better.decided,
        word=better.word,
        remarks=(remark,) if skipped else (),
    )


def _official_nasbench201(path: Path) -> Iterator[Row]:
    """The official file, through the package nas-bench-201: accuracies after 200 epochs, the mean over the seeds."""
    import torch

    try:
        from nas_201_api import ArchResults
    except ImportError:
        raise InputError(f"truth '{path.name}' needs the package nas-bench-201: pip install nas-bench-201") from None
    plain: List[Any] = [pickles.Array, *((made, ".".join(name)) for name, made in pickles.MADE_HERE.items())]
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

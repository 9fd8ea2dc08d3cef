"""Where modules of earlier versions are now: importing one by its old name still works, with a deprecation warning."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
import warnings
from typing import Any, Mapping, Optional

_PACKAGE = __name__.rpartition(".")[0]

#: The old name of a module below this package -> its name now.
MOVED: Mapping[str, str] = {
    "aggregation": "proxies.aggregation",
    "architecture_search": "studies.search",
    "artefacts": "files",
    "comparison": "studies.comparison",
    "comparison_report": "studies.report",
    "constraints": "studies.constraints",
    "engine": "scoring",
    "evolution": "studies.evolution",
    "fewshot": "proxies.ranker",
    "finalists": "studies.race",
    "images": "regression.batches",
    "labels": "truth.labels",
    "metrics": "truth.metrics",
    "nasi_search": "studies.nasi",
    "own_network": "scoring.network",
    "profiles": "regression.profiles",
    "proxies.base": "proxies",
    "ranking": "studies.ranking",
    "report": "studies.plots",
    "rlnas": "proxies.supernet",
    "sampling": "truth.sampling",
    "signals": "regression.signals",
    "spaces.base": "spaces",
    "spaces.naslib_graph": "plugin",
    "store": "scoring.store",
    "structure": "networks.structure",
    "task_genes": "regression.genes",
    "task_search": "studies.task_search",
    "tasks": "regression.tasks",
}


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[importlib.machinery.ModuleSpec]:
        package, _, rest = name.partition(".")
        return importlib.machinery.ModuleSpec(name, self) if package == _PACKAGE and rest in MOVED else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        now = f"{_PACKAGE}.{MOVED[spec.name.partition('.')[2]]}"
        warnings.warn(f"{spec.name} is {now} now", DeprecationWarning, stacklevel=2)
        old = types.ModuleType(spec.name, f"Moved to {now}.")
        old.__dict__["__getattr__"] = lambda name: getattr(importlib.import_module(now), name)
        return old

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def watch() -> None:
    """Let the import system ask this table for modules that are not where they were."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())

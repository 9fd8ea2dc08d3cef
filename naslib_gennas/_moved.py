"""Where modules of earlier versions are now: importing one by its old name still works, with a deprecation warning."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
import warnings
from typing import Any, Mapping, Optional, Sequence, Union

_PACKAGE = __name__.rpartition(".")[0]

#: Where what was in one module of NASLib's graphs is now.
_GRAPHS = ("plugin.graph_space", "plugin.graph_network", "plugin.taps", "plugin.notations")

#: The old name of a module below this package -> its name now, or the names of those that share what it held.
MOVED: Mapping[str, Union[str, Sequence[str]]] = {
    "aggregation": "proxies.aggregation",
    "architecture_search": "studies.search",
    "artefacts": "files",
    "comparison": "studies.comparison",
    "comparison_report": "studies.report",
    "constraints": "studies.constraints",
    "engine": ("scoring", "scoring.pool", "scoring.cluster"),
    "evolution": "studies.evolution",
    "fewshot": "proxies.ranker",
    "finalists": "studies.race",
    "images": "regression.batches",
    "labels": "truth.labels",
    "metrics": "truth.metrics",
    "nasi_search": "studies.nasi",
    "own_network": "scoring.network",
    "plugin.naslib_graph": _GRAPHS,
    "profiles": "regression.profiles",
    "proxies.base": "proxies",
    "ranking": "studies.ranking",
    "report": "studies.plots",
    "rlnas": "proxies.supernet",
    "sampling": "truth.sampling",
    "signals": "regression.signals",
    "spaces.base": "spaces",
    "spaces.naslib_graph": _GRAPHS,
    "spaces.nds_records": "truth.nds",
    "store": "scoring.store",
    "structure": "networks.structure",
    "task_genes": "regression.genes",
    "task_search": "studies.task_search",
    "tasks": "regression.tasks",
}


def _found(name: str, old: str, homes: Sequence[str]) -> Any:
    """What `name` of an old module is now."""
    for home in homes:
        module = importlib.import_module(home)
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(f"module '{old}' is {', '.join(homes)} now, which has no '{name}'")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[importlib.machinery.ModuleSpec]:
        package, _, rest = name.partition(".")
        return importlib.machinery.ModuleSpec(name, self) if package == _PACKAGE and rest in MOVED else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        now = MOVED[spec.name.partition(".")[2]]
        homes = [f"{_PACKAGE}.{home}" for home in ([now] if isinstance(now, str) else now)]
        warnings.warn(f"{spec.name} is {', '.join(homes)} now", DeprecationWarning, stacklevel=2)
        old = types.ModuleType(spec.name, f"Moved to {', '.join(homes)}.")
        old.__dict__["__getattr__"] = lambda name: _found(name, spec.name, homes)
        return old

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def watch() -> None:
    """Let the import system ask this table for modules that are not where they were."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())

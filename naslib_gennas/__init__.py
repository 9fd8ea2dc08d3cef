"""Score neural architectures without labels, in seconds (GenNAS, arXiv:2108.01899).

naslib_gennas.score("nasbench201", "|nor_conv_3x3~0|+|...")   # one architecture
naslib_gennas.rank("nasbench201", n=64)                       # a sample, compared with its true accuracy
naslib_gennas.score_network(module)                           # any torch module
naslib_gennas.network("darts", "Genotype(...)", classes=100)  # the whole classifier, to be trained
naslib_gennas.register()                                      # a measure of NASLib
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, List

from naslib_gennas import _moved
from naslib_gennas._version import __version__

__all__ = ["InputError", "__version__", "describe_network", "network", "rank", "register", "score", "score_network"]

if TYPE_CHECKING:
    from naslib_gennas.errors import InputError
    from naslib_gennas.plugin.measure import register
    from naslib_gennas.scoring.network import describe_network, score_network
    from naslib_gennas.scoring.scorer import score
    from naslib_gennas.studies.published import network
    from naslib_gennas.studies.ranking import rank

# Imported when used: torch takes seconds to load.
_HOMES = {
    "InputError": "naslib_gennas.errors",
    "network": "naslib_gennas.studies.published",
    "describe_network": "naslib_gennas.scoring.network",
    "rank": "naslib_gennas.studies.ranking",
    "register": "naslib_gennas.plugin.measure",
    "score": "naslib_gennas.scoring.scorer",
    "score_network": "naslib_gennas.scoring.network",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'naslib_gennas' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})


_moved.watch()

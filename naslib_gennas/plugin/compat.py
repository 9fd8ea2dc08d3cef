"""NASLib on today's Python: find it, repair what its imports need where they need it, or say how to get it.

Nothing here runs when `naslib_gennas` is imported; `require_naslib()` is the first line of every plugin entry.
"""

from __future__ import annotations

import collections
import collections.abc
import contextlib
import importlib
import importlib.util
import sys
import traceback
import types
import urllib.error
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional

from naslib_gennas.errors import InputError
from naslib_gennas.networks import torchvision_builds

HOW_TO_GET_PACKAGES = "pip install '.[naslib]' in a checkout of naslib-gennas"
HOW_TO_GET_NASLIB = (
    "NASLib is not on the import path: run `git clone -b Develop https://github.com/automl/NASLib`, then "
    f"{HOW_TO_GET_PACKAGES}, and `export PYTHONPATH=$PWD/NASLib` (NASLib is on no package registry)"
)
HOW_TO_GET_UNPACKAGED = "pip install --no-deps pybnn==0.0.5 tensorwatch==0.9.1"

# Names that `collections` lost in Python 3.10 and that NASLib, or what it imports, still takes from there.
_COLLECTIONS_ALIASES = ("Callable", "Iterable", "Mapping", "MutableMapping", "Sequence")

NOT_NEEDED = "not needed"

_applied: Dict[str, str] = {}


@dataclass(frozen=True)
class Measures:
    """NASLib's zero-cost measures: the decorator that adds one and the dict that holds them."""

    module: str
    measure: Any
    registry: Dict[str, Any]


def naslib_path() -> Optional[Path]:
    """The folder of the `naslib` package that Python would import, or None."""
    try:
        spec = importlib.util.find_spec("naslib")
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent


def naslib_available() -> bool:
    """Whether NASLib is on the import path (it is not imported to find out)."""
    return naslib_path() is not None


def require_naslib() -> Path:
    """Make NASLib importable and return its folder.

    Raises:
        InputError: NASLib, or a package that it cannot be imported without, is absent; the message says how to get it.
    """
    path = naslib_path()
    if path is None:
        raise InputError(HOW_TO_GET_NASLIB)
    apply_shims()
    try:
        with keep_import_path():
            importlib.import_module("naslib.search_spaces")
    except ModuleNotFoundError as error:
        raise InputError(_how_to_get(error)) from error
    return path


def apply_shims() -> Dict[str, str]:
    """Repair what NASLib's imports trip over, only where needed, once a process.

    Returns:
        What was done: shim -> `NOT_NEEDED` or what was put in place.
    """
    return {name: shim(name) for name in _SHIMS}


def shim(name: str) -> str:
    """Apply one shim of `apply_shims`, once a process, and say what was done."""
    if name not in _applied:
        _applied[name] = _SHIMS[name]()
    return _applied[name]


@contextlib.contextmanager
def keep_import_path() -> Iterator[None]:
    """Undo what importing NASLib's TransNAS code does to `sys.path`: it puts a folder of its own in front."""
    before = list(sys.path)
    try:
        yield
    finally:
        added = [entry for entry in sys.path if entry not in before]
        # Behind everything else the folder still serves NASLib's own `import models`, and hides nobody's modules.
        sys.path[:] = before + added


def measures() -> Measures:
    """NASLib's measure registry, where the branch that is checked out keeps it.

    Raises:
        InputError: NASLib is absent, or no known branch's registry is found in it.
    """
    path = require_naslib()
    for package in ("naslib.predictors.utils.pruners", "naslib.predictors.pruners"):
        try:
            if importlib.util.find_spec(f"{package}.measures") is None:
                continue
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("naslib"):
                continue
            raise InputError(_how_to_get(error)) from error
        try:
            module = importlib.import_module(f"{package}.measures")
        except ModuleNotFoundError as error:
            raise InputError(_how_to_get(error)) from error
        return Measures(module.__name__, module.measure, module._measure_impls)
    raise InputError(
        f"NASLib at {path} has no zero-cost measures (predictors/utils/pruners/measures): check out its branch Develop"
    )


def naslib_branch() -> Optional[str]:
    """The branch (or commit) of NASLib's checkout, read from its .git folder; None where there is none."""
    path = naslib_path()
    if path is None:
        return None
    git = path.parent / ".git"
    try:
        if git.is_file():
            git = (path.parent / git.read_text(encoding="utf-8").split(":", 1)[1].strip()).resolve()
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
    except (OSError, IndexError):
        return None
    return head[len("ref: refs/heads/") :] if head.startswith("ref: refs/heads/") else head[:12]


def is_naslibs(file: Path) -> bool:
    """Whether a file is one of NASLib's own."""
    path = naslib_path()
    return path is not None and file.resolve().is_relative_to(path.resolve())


def blame(error: BaseException) -> str:
    """What an exception says in one line, and the line of NASLib's code that it came from, if any."""
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}".rstrip(": ")
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, AttributeError) and frames and frames[-1].filename.endswith("config.py"):
        said = f"the config has no key '{error}', which NASLib asks for"  # a CfgNode's way of saying so
    if isinstance(error, urllib.error.URLError):  # the data set, as a rule: NASLib has no other downloads at run time
        said = f"a download failed ({error.reason}); NASLib's scripts fetch CIFAR, naslib_gennas.plugin.* needs none"
    path = naslib_path()
    own = [frame for frame in frames if is_naslibs(Path(frame.filename))]
    if not own or path is None:
        return said
    place = Path(own[-1].filename).resolve().relative_to(path.resolve().parent)
    return f"{said} (in NASLib's {place}, line {own[-1].lineno})"


def data_folder() -> Optional[Path]:
    """Where NASLib looks for its benchmark data files, or None without NASLib."""
    path = naslib_path()
    return None if path is None else path / "data"


def plain(value: Any) -> Any:
    """`value` with every numpy number and sequence turned into plain ints and tuples.

    NASLib's hashes hold `np.int64` in places: under numpy 2 their text reads ``np.int64(0)`` and no look-up matches.
    """
    if isinstance(value, (str, bytes)) or value is None:
        return value
    if hasattr(value, "tolist"):  # numpy arrays and numbers
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return tuple(plain(item) for item in value)
    return int(value)


def _alias_collections() -> str:
    missing = [name for name in _COLLECTIONS_ALIASES if not hasattr(collections, name)]
    for name in missing:
        setattr(collections, name, getattr(collections.abc, name))
    return f"aliases {', '.join(missing)}" if missing else NOT_NEEDED


def _stub_torchvision() -> str:
    if torchvision_builds.make_importable():
        return "torchvision and torch are of different builds, stubs stand in for nms and qnms"
    return NOT_NEEDED


def _stand_in_for_archai() -> str:
    path = naslib_path()
    reader = None if path is None else path / "search_spaces" / "nasbench101" / "conversions.py"
    if reader is None or not reader.is_file() or "from archai." not in reader.read_text(encoding="utf-8"):
        return NOT_NEEDED
    if importlib.util.find_spec("archai") is not None:
        return NOT_NEEDED

    def build(matrix: Any, operations: Any, *_: Any, **__: Any) -> Any:
        from nasbench_pytorch.model import ModelSpec, Network

        return Network(ModelSpec(matrix, operations))

    # NASLib's branch zerocost takes the networks of NAS-Bench-101 from archai, Develop from nasbench-pytorch.
    name = "archai"
    for part in ("", ".algos", ".nasbench101", ".model_builder"):
        name += part
        sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__["build"] = build
    sys.modules[name.rpartition(".")[0]].__dict__["model_builder"] = sys.modules[name]
    return "archai is absent, nasbench-pytorch builds the networks of NAS-Bench-101 in its place"


_SHIMS: Dict[str, Callable[[], str]] = {
    "collections": _alias_collections,
    "torchvision": _stub_torchvision,
    "archai": _stand_in_for_archai,
}


def _how_to_get(error: ModuleNotFoundError) -> str:
    name = (error.name or "").split(".")[0]
    if name in ("pybnn", "tensorwatch"):
        return f"NASLib needs '{name}', whose own pins conflict: run `{HOW_TO_GET_UNPACKAGED}`"
    if name in ("distutils", "pkg_resources"):
        return f"NASLib needs '{name}': run `pip install 'setuptools<81'`"
    if name == "tkinter":
        return "NASLib needs 'tkinter', a part of Python that your system packages apart (python3-tk on Debian)"
    return f"NASLib needs '{name}', which is not installed: {HOW_TO_GET_PACKAGES}"

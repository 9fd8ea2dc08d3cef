"""What `gennas doctor` prints: what is installed, and every known trap of NASLib with what becomes of it here."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Tuple

from naslib_gennas.errors import InputError
from naslib_gennas.plugin import compat

#: What NASLib imports and no package registry installs with it: import name -> distribution.
NEEDED = {
    "torchvision": "torchvision",
    "fvcore": "fvcore",
    "pytorch_msssim": "pytorch-msssim",
    "ConfigSpace": "ConfigSpace",
    "nasbench_pytorch": "nasbench-pytorch",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "ngboost": "ngboost",
    "lightgbm": "lightgbm",
    "xgboost": "xgboost-cpu",
    "emcee": "emcee",
    "pyro": "pyro-ppl",
    "grakel": "grakel",
    "seaborn": "seaborn",
    "transforms3d": "transforms3d",
    "termcolor": "termcolor",
    "six": "six",
}
UNPACKAGED = ("pybnn", "tensorwatch")

#: NASLib's benchmark data files, in the folder data of its package: file -> what it serves.
DATA_FILES = {
    "nb201_cifar10_full_training.pickle": "nasbench201 on cifar10",
    "nb201_cifar100_full_training.pickle": "nasbench201 on cifar100",
    "nb201_ImageNet16_full_training.pickle": "nasbench201 on ImageNet16-120",
    "nasbench_only108.pkl": "nasbench101",
    "nb_models_1.0": "nasbench301 (surrogate models)",
    "nb301_full_training.pickle": "nasbench301 (trained architectures)",
    "transnas-bench_v10141024.pth": "transbench101_micro and transbench101_macro",
    "nb_nlp.pickle": "nlp",
    "nb-asr-info.pickle": "asr",
    "zc_nasbench201.json": "nasbench201 (published zero-cost scores)",
    "zc_nasbench101.json": "nasbench101 (published zero-cost scores)",
}


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Attributes:
        name: what was looked at.
        status: "ok"; "fixed" (the plugin sees to it); "todo" (`detail` says what to do); "absent" (a data file).
        detail: one line.
    """

    name: str
    status: str
    detail: str


@dataclass(frozen=True)
class Report:
    """All checks; `ready` says whether the plugin works here."""

    checks: Tuple[Check, ...]
    ready: bool


def examine() -> Report:
    """Look at Python, torch, NASLib, its traps and its data files. NASLib is imported if it is there."""
    checks = [
        Check("Python", "ok", platform.python_version()),
        Check("torch", "ok", _version("torch") or "absent"),
        _naslib(),
        _collections(),
        _torchvision(),
        _archai(),
        _scikit_learn(),
        _numpy(),
        _models(),
        *_packages(),
        Check("NASLib's runners", "fixed", "they are scripts that run when imported: use naslib_gennas.plugin.*"),
        Check(
            "NASLib's data loaders",
            "fixed",
            "they download CIFAR at run time: our runners (plugin.zc, .predictors, .nas) bring a batch of their own; "
            "NASLib's own scripts download it, through plugin.run too",
        ),
        _tensorboard(),
        Check("NASLib's checkpoints", "fixed", "a resumed Trainer starts over (issue 153): gennas_re goes on"),
        *_data_files(),
    ]
    blocking = {"NASLib", "packages", "pybnn, tensorwatch", "distutils", "tkinter"}
    return Report(tuple(checks), not any(c.status == "todo" and c.name in blocking for c in checks))


def _version(distribution: str) -> Optional[str]:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _naslib() -> Check:
    path = compat.naslib_path()
    if path is None:
        return Check("NASLib", "todo", compat.HOW_TO_GET_NASLIB)
    where = f"{path} (branch {compat.naslib_branch() or 'unknown: no git checkout'})"
    try:
        compat.require_naslib()
    except InputError as error:
        return Check("NASLib", "todo", f"{where}: {error}")
    except Exception as error:  # whatever an import may raise belongs in the report
        return Check("NASLib", "todo", f"{where}: its import fails with {type(error).__name__}: {error}")
    return Check("NASLib", "ok", where)


def _collections() -> Check:
    done = compat.shim("collections")
    if done == compat.NOT_NEEDED:
        return Check("collections.Iterable", "ok", "this Python has it")
    return Check("collections.Iterable", "fixed", f"gone since Python 3.10; {done}")


def _torchvision() -> Check:
    version = _version("torchvision")
    if version is None:
        return Check("torchvision", "todo", "absent: pip install --no-deps torchvision")
    done = compat.shim("torchvision")
    return Check("torchvision", "ok" if done == compat.NOT_NEEDED else "fixed", f"{version}; stubs: {done}")


def _archai() -> Check:
    done = compat.shim("archai")
    return Check("archai", "ok" if done == compat.NOT_NEEDED else "fixed", done)


def _scikit_learn() -> Check:
    version = _version("scikit-learn")
    if version is None:
        return Check("scikit-learn", "todo", "absent: pip install 'scikit-learn<1.6'")
    if _numbers(version) < (1, 6):
        return Check("scikit-learn", "ok", version)
    return Check(
        "scikit-learn",
        "fixed",
        f"{version}: NASLib's own correlations become NaN from 1.6 on; the plugin's runners compute theirs, NASLib's "
        "scripts need 'scikit-learn<1.6'",
    )


def _numpy() -> Check:
    version = _version("numpy") or "0"
    if _numbers(version) < (2,):
        return Check("numpy", "ok", version)
    if _numbers(version) < (2, 4):
        return Check(
            "numpy",
            "fixed",
            f"{version}: NASLib's look-ups by the text of a hash miss from 2.0 on; the plugin makes hashes plain ints, "
            "NASLib's own scripts with published scores need 'numpy<2'",
        )
    return Check("numpy", "todo", f"{version}: NASLib's Trainer sums a generator, gone in 2.4: pip install 'numpy<2.4'")


def _tensorboard() -> Check:
    if _is_there("tensorboard"):
        return Check("tensorboard", "ok", _version("tensorboard") or "there")
    return Check("tensorboard", "todo", "NASLib's bbo runner needs it, nothing else does: pip install tensorboard")


def _models() -> Check:
    spec = importlib.util.find_spec("models") if _is_there("models") else None
    origin = str(getattr(spec, "origin", None) or "")
    if spec is not None and "transbench101" not in origin:
        return Check("a module named 'models'", "todo", f"NASLib claims that name; rename yours ({origin})")
    return Check("a module named 'models'", "ok", "none in the way; the folder NASLib puts first on sys.path goes last")


def _packages() -> List[Check]:
    missing = sorted(distribution for module, distribution in NEEDED.items() if not _is_there(module))
    checks = [
        Check("packages", "todo", f"missing: {compat.HOW_TO_GET_PACKAGES} ({', '.join(missing)})")
        if missing
        else Check("packages", "ok", f"all {len(NEEDED)} that NASLib needs")
    ]
    unpackaged = [module for module in UNPACKAGED if not _is_there(module)]
    checks.append(
        Check("pybnn, tensorwatch", "todo", f"missing {', '.join(unpackaged)}: {compat.HOW_TO_GET_UNPACKAGED}")
        if unpackaged
        else Check("pybnn, tensorwatch", "ok", "there")
    )
    old = [module for module in ("distutils", "pkg_resources") if not _is_there(module)]
    checks.append(
        Check("distutils", "todo", f"missing {', '.join(old)}: pip install 'setuptools<81'")
        if old
        else Check("distutils", "ok", "there, with pkg_resources")
    )
    checks.append(
        Check("tkinter", "ok", "there")
        if _is_there("tkinter")
        else Check("tkinter", "todo", "absent: your system packages it apart from Python (python3-tk on Debian)")
    )
    return checks


def _data_files() -> List[Check]:
    folder = compat.data_folder()
    if folder is None:
        return []
    return [_data_file(folder / name, serves) for name, serves in DATA_FILES.items()]


def _data_file(path: Path, serves: str) -> Check:
    if path.exists():
        return Check(f"data: {serves}", "ok", str(path))
    return Check(f"data: {serves}", "absent", f"expected at {path}")


def _numbers(version: str) -> Tuple[int, ...]:
    found = []
    for part in version.split("."):
        if not (part.isascii() and part.isdigit()):
            break
        found.append(int(part))
    return tuple(found)

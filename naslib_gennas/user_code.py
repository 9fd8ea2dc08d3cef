"""Python files of the user: loaded once, under a name of their own, and taken along to worker processes as code."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import sys
import traceback
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple, Union, cast

import cloudpickle

from naslib_gennas import identity, reading
from naslib_gennas.errors import InputError, suggest

_PACKAGE = __name__.partition(".")[0]
_INSTALLED = {"site-packages", "dist-packages"}


@dataclass(frozen=True)
class _Loaded:
    module: types.ModuleType
    digests: Tuple[Tuple[Path, str], ...]


_LOADED: Dict[Path, _Loaded] = {}
# The modules that were imported from each folder: two folders may have modules of one name.
_BESIDE: Dict[Path, Dict[str, types.ModuleType]] = {}


def split(text: Any) -> Tuple[str, str]:
    """File and name of ``FILE.py:NAME`` (the name is "" in ``FILE.py``); two empty texts for anything else."""
    if not isinstance(text, str):
        return "", ""
    if text.endswith(".py"):
        return text, ""
    file, _, name = text.rpartition(":")
    return (file, name) if file.endswith(".py") else ("", "")


def find(text: str, what: str) -> Any:
    """What ``FILE.py:NAME`` names.

    Args:
        text: the file and a name that it defines.
        what: what it is meant to be, for messages, such as "search space".

    Raises:
        InputError: see `load`; or the file defines no such name; the nearest one is suggested.
    """
    file, name = split(text)
    if not file:
        raise InputError(f"{what} '{text}' is not FILE.py:NAME, such as my_space.py:mobile")
    module = load(file, what)
    own = sorted(key for key, value in vars(module).items() if _defined_in(value, module) and not key.startswith("_"))
    if not name:
        raise InputError(f"{what} '{text}' needs a name from the file: {_choices(file, own)}")
    if not hasattr(module, name):
        raise InputError(f"{what} file '{file}' defines no '{name}'{suggest(name, own) if own else ''}")
    return getattr(module, name)


def _defined_in(value: Any, module: types.ModuleType) -> bool:
    return callable(value) and getattr(value, "__module__", module.__name__) == module.__name__


def _choices(file: str, names: List[str]) -> str:
    return ", ".join(f"{file}:{name}" for name in names) or "it defines none"


def load(path: Union[str, Path], what: str) -> types.ModuleType:
    """Run a Python file and give its module; a file that was loaded before is run again only if it has changed.

    It may import modules that lie beside it, as a script may. What it and they define can be sent to worker processes,
    which need neither.

    Args:
        path: the file.
        what: what it holds, for messages, such as "search space".

    Raises:
        InputError: the file cannot be read or run; the message has the line.
    """
    place = Path(path).resolve()
    known = _LOADED.get(place)
    if known is not None and all(_digest(_content(file)) == digest for file, digest in known.digests):
        return known.module
    content = reading.content(path, f"{what} file")
    if known is not None:  # what lies beside it may be what has changed
        for name in _BESIDE.pop(place.parent, {}):
            sys.modules.pop(name, None)
    name = f"gennas_file_{place.stem}_{hashlib.sha256(str(place).encode()).hexdigest()[:8]}"
    module = types.ModuleType(name)
    module.__file__ = str(place)
    sys.modules[name] = module  # dataclasses, and who looks for source, ask for it
    try:
        with beside(place.parent):
            exec(compile(content, str(place), "exec"), module.__dict__)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise InputError(f"{what} file '{path}'{_what_happened(error, place)}") from None
    cloudpickle.register_pickle_by_value(module)
    files = {Path(str(part.__file__)).resolve() for part in _BESIDE.get(place.parent, {}).values()}
    contents = {**{file: _content(file) for file in files}, place: content}
    for file, what_ran in contents.items():
        identity.remember(file, what_ran)
    _LOADED[place] = _Loaded(module, tuple(sorted((file, _digest(held)) for file, held in contents.items())))
    return module


@contextlib.contextmanager
def beside(folder: Path) -> Iterator[None]:
    """Modules that lie in `folder` can be imported inside the block, before all others, as from a script there.

    They travel to worker processes as code, too.
    """
    own = _BESIDE.get(folder, {})
    for other, modules in _BESIDE.items():
        for name in modules if other != folder else ():
            top = folder / name.partition(".")[0]
            if name not in own and (top.is_dir() or top.with_suffix(".py").is_file()):
                sys.modules.pop(name, None)
    sys.modules.update(own)
    last = next(reversed(sys.modules))
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))
        for name in list(itertools.takewhile(lambda name: name != last, reversed(sys.modules))):
            module = sys.modules.get(name)
            if _lies_in(module, folder):
                _BESIDE.setdefault(folder, {})[name] = cast(types.ModuleType, module)
                cloudpickle.register_pickle_by_value(cast(types.ModuleType, module))


def _what_happened(error: BaseException, place: Path) -> str:
    if isinstance(error, InputError):
        return f": {error}"
    if isinstance(error, SyntaxError) and error.filename == str(place):
        return f", line {error.lineno}: {error.msg}"
    return f"{at_line(error, place)}: {said(error)}"


def said(error: BaseException) -> str:
    """What went wrong in the user's code, in one line."""
    if isinstance(error, SystemExit):
        return "it ends the program (sys.exit); what runs as a script belongs under if __name__ == '__main__'"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__


def at_line(error: BaseException, place: Path) -> str:
    """``", line 12"``: the last line of a file that an error came through; empty where it came through none."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(place)]
    return f", line {frames[-1].lineno}" if frames else ""


def _own_file(module: Any) -> Any:
    """The file of a module that is neither installed nor of this package, or None."""
    file = getattr(module, "__file__", None)
    if not file or module.__name__.partition(".")[0] == _PACKAGE:
        return None
    path = Path(file).resolve()
    standard = Path(types.__file__).resolve().parent
    installed = _INSTALLED & set(path.parts) or standard in path.parents
    return None if installed or path.suffix != ".py" or not path.is_file() else path


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _lies_in(module: Any, folder: Path) -> bool:
    file = _own_file(module)
    return file is not None and folder in file.parents

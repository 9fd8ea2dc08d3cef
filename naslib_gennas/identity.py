"""What a score depends on, as one text: equal for equal settings, another for other numbers or other code."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import inspect
import json
import sys
import sysconfig
import types
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set, Tuple

_HOME = Path(__file__).resolve().parent
_INSTALLED = tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")})
# Files of the user that this process has run, as they were then: what runs is that, whatever the file has become.
_RAN: Dict[Path, Tuple[str, Tuple[str, ...]]] = {}


def remember(path: Path, content: bytes) -> None:
    """Note what a file of the user held when it was run: identities count that until it is run again."""
    _RAN[path] = _source(content)


def canonical(settings: Mapping[str, Any]) -> str:
    """One JSON text for equal settings: sorted keys, no spaces."""
    return json.dumps(settings, sort_keys=True, separators=(",", ":"))


def digest(settings: Mapping[str, Any]) -> str:
    """A name for settings: 16 hexadecimal digits, equal for equal ones."""
    return hashlib.sha256(canonical(settings).encode()).hexdigest()[:16]


def numerics() -> Dict[str, Any]:
    """What the same code may give other numbers with: PyTorch's version, and whether it has oneDNN."""
    import torch  # when used: it takes seconds

    return {"torch": str(torch.__version__), "onednn": torch.backends.mkldnn.is_available()}


def code(*parts: Any) -> Dict[str, str]:
    """What the code of functions, classes and objects comes from, where it is not this package's own.

    Files of the user count with all that they import from beside them, so that a change of a constant or of a helper
    changes the identity; packages that they import count by their version. What has no file (typed into an
    interpreter) counts by its byte code.

    Returns:
        ``{"code": digest}``, or nothing where all of it is this package's.
    """
    found: List[str] = []
    versions: Set[str] = set()
    files: Dict[Path, str] = {}
    for part in _expanded(parts):
        if isinstance(part, functools.partial):
            found.append(f"{_plain(part.args)} {_plain(part.keywords)}")
            continue
        source = _file(part)
        if source is None or not _is_ours(source):
            found.append(_enclosed(part))
        if source is None:
            found.append(_byte_code(part))
        elif _is_installed(source):
            versions.add(_version(getattr(part, "__module__", "").partition(".")[0]))
        elif not _is_ours(source):
            _read(source, files, versions)
    texts = [*found, *(f"{path.name} {content}" for path, content in sorted(files.items())), *sorted(versions)]
    texts = [text for text in texts if text]
    return {"code": hashlib.sha256("\n".join(texts).encode()).hexdigest()} if texts else {}


def _expanded(parts: Tuple[Any, ...]) -> Iterator[Any]:
    """Functions and classes that objects consist of: what a closure holds, a partial calls, a class inherits."""
    waiting, seen = list(parts), set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, functools.partial):
            waiting += [part.func, *part.args, *part.keywords.values()]
            yield part
            continue
        if isinstance(part, types.MethodType):
            waiting += [part.__func__, type(part.__self__)]
            continue
        if not isinstance(part, (types.FunctionType, type)):
            continue
        if id(part) in seen or getattr(part, "__module__", "builtins") == "builtins":
            continue
        seen.add(id(part))
        yield part
        if isinstance(part, type):
            waiting += [base for base in part.__mro__[1:] if base is not object]
        else:
            waiting += [cell.cell_contents for cell in part.__closure__ or () if _filled(cell)]
            waiting += list(part.__defaults__ or ())


def _enclosed(part: Any) -> str:
    """The plain values that a function of the user's encloses, or has as defaults: they decide what it does."""
    if not isinstance(part, types.FunctionType):
        return ""
    cells = [cell.cell_contents for cell in part.__closure__ or () if _filled(cell)]
    values = [*cells, *(part.__defaults__ or ()), *sorted((part.__kwdefaults__ or {}).items())]
    texts = [text for text in map(_plain, values) if text]
    return f"{part.__qualname__} {texts}" if texts else ""


def _plain(value: Any) -> str:
    """A value that is made of numbers and texts alone, as a text; empty for any other."""
    if isinstance(value, (bool, int, float, complex, str, bytes, type(None))):
        return repr(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        parts = [_plain(item) for item in value]
        return f"{type(value).__name__}{sorted(parts) if isinstance(value, (set, frozenset)) else parts}"
    if isinstance(value, dict):
        return str([(_plain(key), _plain(item)) for key, item in value.items()])
    return ""


def _is_ours(path: Path) -> bool:
    return _HOME in path.parents


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _file(part: Any) -> Optional[Path]:
    """The file of a function or class; None where it has none."""
    name: Optional[str] = None
    if isinstance(part, types.FunctionType):
        name = part.__code__.co_filename
    else:
        methods = [value for value in vars(part).values() if isinstance(value, types.FunctionType)]
        own = [method for method in methods if method.__module__ == part.__module__]
        module = sys.modules.get(part.__module__)
        name = getattr(module, "__file__", None) or (own[0].__code__.co_filename if own else None)
    path = Path(name).resolve() if name else None
    return path if path is not None and (path in _RAN or path.is_file()) else None


def _is_installed(path: Path) -> bool:
    return not _is_ours(path) and any(home in path.parents for home in _INSTALLED)


def _version(package: str) -> str:
    if not package or _is_standard(package):
        return ""
    try:
        return f"{package}=={importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{package}=={getattr(sys.modules.get(package), '__version__', '')}"


@lru_cache(maxsize=None)
def _is_standard(package: str) -> bool:
    """Whether a module comes with Python."""
    names = getattr(sys, "stdlib_module_names", None)
    if names is not None:
        return package in names or package == "builtins"
    # Python 3.9 has no list of them: what is built in, or lies in the library's own folder.
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return False
    if spec is None or spec.origin is None:
        return False
    path, library = Path(spec.origin), Path(sysconfig.get_path("stdlib")).resolve()
    inside = library in path.resolve().parents and "site-packages" not in path.parts
    return spec.origin in ("built-in", "frozen") or inside


def _read(path: Path, files: Dict[Path, str], versions: Set[str]) -> None:
    """Add a file and all that it imports from beside it; `files` maps each to a digest of its content."""
    waiting = [path]
    while waiting:
        path = waiting.pop()
        if path in files:
            continue
        files[path], imported = _RAN.get(path) or _parsed(path)
        for name in imported:
            near = list(_beside(path, name))
            if near:
                waiting += near
            elif not name.startswith("."):
                package = name.partition(".")[0]
                if package != _HOME.name:
                    versions.add(_version(package))


def _parsed(path: Path) -> Tuple[str, Tuple[str, ...]]:
    """What `_source` gives of a file as it is now."""
    about = path.stat()
    return _parsed_once(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=512)
def _parsed_once(path: Path, changed: int, size: int) -> Tuple[str, Tuple[str, ...]]:
    return _source(path.read_bytes())


def _source(content: bytes) -> Tuple[str, Tuple[str, ...]]:
    """The digest of a file's content, and the modules that it imports (dots in front of relative ones)."""
    names: List[str] = []
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        tree = ast.Module([], [])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names.append(base)
            names += [f"{base}{'.' if node.module else ''}{alias.name}" for alias in node.names]
    return hashlib.sha256(content).hexdigest(), tuple(dict.fromkeys(names))


def _beside(path: Path, name: str) -> Iterator[Path]:
    """The files of a module that a file imports, where they are the user's too."""
    dots = len(name) - len(name.lstrip("."))
    parts = [part for part in name.lstrip(".").split(".") if part]
    if dots:
        roots = [path.parents[dots - 1]] if dots <= len(path.parents) else []
    else:
        roots = [path.parent, _top(path), *(Path(entry or ".").resolve() for entry in sys.path)]
    for root in roots:
        if not parts or _is_installed(root / "x") or any(root == home for home in _INSTALLED) or root == _HOME.parent:
            continue
        place = root.joinpath(*parts)
        candidates = [place.with_suffix(".py"), place / "__init__.py"]
        inits = [root.joinpath(*parts[:depth]) / "__init__.py" for depth in range(1, len(parts))]
        found = [file for file in candidates if file.is_file()]
        if found:
            yield from found
            yield from (file for file in inits if file.is_file())
            return


def _top(path: Path) -> Path:
    """The folder of the outermost package that a file lies in."""
    folder = path.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _byte_code(part: Any) -> str:
    """The source of what was typed into an interpreter, or else its byte code and constants."""
    try:
        return inspect.getsource(part)
    except (OSError, TypeError):
        pass
    if isinstance(part, types.FunctionType):
        return _of_code(part.__code__)
    methods = sorted((name, value) for name, value in vars(part).items() if isinstance(value, types.FunctionType))
    return f"{part.__qualname__} " + " ".join(f"{name} {_of_code(value.__code__)}" for name, value in methods)


def _of_code(what: types.CodeType) -> str:
    constants = [_of_code(value) if isinstance(value, types.CodeType) else repr(value) for value in what.co_consts]
    return f"{what.co_name} {what.co_code.hex()} {constants} {what.co_names}"

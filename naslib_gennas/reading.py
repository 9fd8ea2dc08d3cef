"""Files and texts of the user: read within bounds, refused in a line where they hold what nobody would write."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import stat
import warnings
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Sequence, Set, Tuple, Union

import numpy as np
import yaml

from naslib_gennas.errors import InputError

LARGEST_TEXT = 2**20  # characters of a YAML text; a proxy task has about 2,000
DEEPEST = 100  # levels of lists and mappings in one another
LARGEST_TREE = 100_000  # values in a YAML text, those that an alias repeats counted again
LONGEST_NUMBER = 40  # digits
MOST_ENTRIES = 200_000  # files and folders that are looked through for images


def opened(path: Union[str, Path], what: str) -> Path:
    """The path of a file that can be read to its end: no folder, no pipe, no device.

    Args:
        path: of the file.
        what: how messages call it, e.g. "task file".

    Raises:
        InputError: there is none, or it is something else.
    """
    try:
        found = Path(path).expanduser()
        mode = os.stat(found).st_mode
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{what} '{path}' cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(mode):
        kind = "is a folder" if stat.S_ISDIR(mode) else "is no regular file"
        raise InputError(f"{what} '{path}' cannot be read: it {kind}")
    return found


def is_folder(path: Union[str, Path]) -> bool:
    """Whether there is a folder of this name; a name that none can have is none."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):  # too long, or with a NUL
        return False


def is_file(path: Union[str, Path]) -> bool:
    """Whether there is a file of this name; a name that none can have is none."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def content(path: Union[str, Path], what: str) -> bytes:
    """The bytes of a file.

    Raises:
        InputError: it cannot be read to its end (see `opened`).
    """
    try:
        return opened(path, what).read_bytes()
    except OSError as error:
        raise InputError(f"{what} '{path}' cannot be read: {error.strerror}") from None


def text(path: Union[str, Path], what: str) -> str:
    """The text of a file in UTF-8, with or without a byte-order mark.

    Raises:
        InputError: it cannot be read, or is no text.
    """
    try:
        return opened(path, what).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{what} '{path}' cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{what} '{path}' cannot be read: it is no text in UTF-8") from None


def from_json(content: str, where: str, example: str = "") -> Any:
    """What a JSON text stands for; each key of an object once, every number finite and of a size that a float holds.

    Args:
        content: the text.
        where: how messages call it.
        example: what would be right, shown where it is not JSON.

    Raises:
        InputError: it is not JSON, or goes beyond these bounds.
    """
    hint = f"; one looks like {example}" if example else ""
    try:
        return json.loads(
            content, object_pairs_hook=_once, parse_int=_whole, parse_float=_float, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        near = repr(content[max(0, error.pos - 12) : error.pos] + ">>>" + content[error.pos : error.pos + 12])
        raise InputError(f"{where}: not JSON at character {error.pos}: {near}{hint}") from None
    except RecursionError:
        raise InputError(f"{where}: too many lists and objects in one another{hint}") from None
    except ValueError as error:
        raise InputError(f"{where}: {error}{hint}") from None


def _once(pairs: Sequence[Tuple[str, Any]]) -> Dict[str, Any]:
    _check_once(name for name, _ in pairs)
    return dict(pairs)


def _check_once(names: Iterable[str]) -> None:
    found: Set[str] = set()
    for name in names:
        if name in found:
            raise ValueError(f"the key '{name[:40]}' is there twice")
        found.add(name)


def _whole(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"the number {digits[:12]}... has {len(digits)} digits")
    return int(digits)


def _float(digits: str) -> float:
    if not math.isfinite(float(digits)):
        raise ValueError(f"the number {digits[:20]} is too large")
    return float(digits)


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no finite number")


def from_yaml(content: str, where: str) -> Any:
    """What a YAML text stands for: mappings with each key once, lists, texts, truth values and finite numbers.

    Numbers are read as YAML 1.2 has them, so ``1e-3`` is one; a date is a text.

    Raises:
        InputError: it is not YAML, or goes beyond the bounds of this module.
    """
    if len(content) > LARGEST_TEXT:
        raise InputError(f"{where} has {len(content)} characters; it takes at most {LARGEST_TEXT}")
    if _depth(content) > DEEPEST:
        raise InputError(f"{where} is not YAML that can be read: more than {DEEPEST} brackets in one another")
    try:
        loader = _Loader(content)
        try:
            node = loader.get_single_node()
            _count(node, where)
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise InputError(f"{where} cannot be read: it is not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise InputError(f"{where} is not YAML that can be read: too many lists and mappings in one another") from None
    except InputError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise InputError(f"{where} is not YAML that can be read: {error}") from None


class _Loader(yaml.SafeLoader):
    """YAML's plain values, with the numbers of YAML 1.2 and without dates."""

    yaml_implicit_resolvers: Dict[str, List[Tuple[str, Any]]] = {
        first: [(tag, pattern) for tag, pattern in found if not tag.endswith((":int", ":float", ":timestamp"))]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Dict[Any, Any]:
        _check_once(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        return super().construct_mapping(node, deep)

    def construct_whole(self, node: Any) -> int:
        digits = self.construct_scalar(node)
        if not re.fullmatch(r"[-+]?[0-9]+", digits):
            raise ValueError(f"'{digits[:40]}' is no whole number")
        return _whole(digits)

    def construct_number(self, node: Any) -> float:
        digits = self.construct_scalar(node)
        if re.fullmatch(r"[-+]?\.inf|\.nan", digits, re.IGNORECASE):
            raise ValueError(f"{digits} is no finite number")
        return _float(digits)


_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+\Z"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"(?:[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan)\Z", re.I),
    list("-+.0123456789"),
)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)


def _depth(content: str) -> int:
    """How deep brackets are in one another at most; those in quotes count, too."""
    deepest = depth = 0
    for match in re.finditer(r"[\[\]{}]", content):
        depth = depth + 1 if match.group() in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def _count(root: Any, where: str) -> None:
    """Refuse a tree that its aliases make large or endless."""
    sizes: Dict[int, int] = {}

    def size(node: Any, depth: int) -> int:
        if depth > DEEPEST:
            raise InputError(f"{where} is not YAML that can be read: more than {DEEPEST} levels, or an endless alias")
        if id(node) not in sizes:
            parts: List[Any] = []
            if isinstance(node, yaml.MappingNode):
                parts = [part for pair in node.value for part in pair]
            elif isinstance(node, yaml.SequenceNode):
                parts = node.value
            sizes[id(node)] = 1 + sum(size(part, depth + 1) for part in parts)
        return sizes[id(node)]

    if root is not None and size(root, 0) > LARGEST_TREE:
        raise InputError(f"{where} is not YAML that can be read: its aliases make more than {LARGEST_TREE} values")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Read in the block without the warnings that Python and numpy have of damaged files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def array(path: Union[str, Path], what: str) -> np.ndarray:
    """The array of a .npy file, of numbers, mapped from the file: what is not used is not read.

    Raises:
        InputError: it is no such file, or shorter than its header says.
    """
    place = opened(path, what)
    try:
        with quiet():
            found = np.load(place, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header is read as Python, and fails in as many ways
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{what} '{path}' cannot be read: {reason}") from None
    if not isinstance(found, np.ndarray):
        raise InputError(f"{what} '{path}' is no .npy file with one array")
    if found.dtype.kind not in "fiub":
        raise InputError(f"{what} '{path}' holds {found.dtype}; it takes numbers")
    return found


def files(folder: Path, endings: Sequence[str], where: str) -> Iterator[Path]:
    """The files below a folder whose names end so, in order of their paths.

    Raises:
        InputError: there is more to look through than a folder of images has.
    """
    seen = 0
    folders = [folder]
    while folders:
        place = folders.pop()
        if place is not folder and place.suffix.lower() in endings and place.is_file():
            yield place
            continue
        try:
            inner = sorted(place.iterdir()) if place.is_dir() and not (place.is_symlink() and place != folder) else []
        except OSError:
            continue
        seen += len(inner)
        if seen > MOST_ENTRIES:
            raise InputError(f"{where}: more than {MOST_ENTRIES} files and folders; name the folder with the images")
        folders.extend(reversed(inner))


def whole(content: Any, least: int, most: int) -> bool:
    """Whether a value is a whole number within bounds, written as one or an `int`."""
    if isinstance(content, str):
        return bool(re.fullmatch(r"[0-9]{1,20}", content)) and least <= int(content) <= most
    return isinstance(content, int) and not isinstance(content, bool) and least <= content <= most

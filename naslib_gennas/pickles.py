"""Read pickle files of data without running what they may hold."""

from __future__ import annotations

import importlib
import io
import os
import pickle
from pathlib import Path
from typing import Any, BinaryIO, Callable, Mapping, Tuple, Union

import numpy as np

from naslib_gennas import reading
from naslib_gennas.errors import InputError

# What numpy arrays and scalars are pickled with, under numpy 1 and 2 alike.
NUMPY = frozenset(
    (module, name)
    for root in ("numpy.core", "numpy._core")
    for module, name in (
        (f"{root}.multiarray", "_reconstruct"),
        (f"{root}.multiarray", "scalar"),
        (f"{root}.numeric", "_frombuffer"),
    )
) | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"), ("collections", "OrderedDict")}


_SMALL = 2**20  # bytes

StandIns = Mapping[Tuple[str, str], Callable[..., Any]]


def _found(module: str, name: str, stand_ins: StandIns) -> Any:
    if (module, name) in stand_ins:
        return stand_ins[module, name]
    if (module, name) not in NUMPY:
        module, name = module[:40], name[:40]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which a data file has no use for")
    return _MADE_HERE[name] if name in _MADE_HERE else getattr(importlib.import_module(module), name)


def _encoded(text: Any, codec: Any) -> bytes:
    """The bytes that a text stands for in pickles of Python 2's protocols, which know one codec."""
    if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it asks for the codec {str(codec)[:20]!r}")
    return text.encode("latin1")


def _empty(kind: Any, shape: Any, dtype: Any) -> np.ndarray:
    """An array that gets its shape and numbers next: all that numpy's pickles ask for; a large one fills the memory."""
    if kind is not np.ndarray or shape not in ((0,), [0]):
        raise pickle.UnpicklingError(f"it makes an array of shape {str(shape)[:40]} out of nothing")
    return np.ndarray(0, np.int8)


_MADE_HERE: Mapping[str, Callable[..., Any]] = {"_reconstruct": _empty, "encode": _encoded}


def load(
    source: Union[str, Path, BinaryIO, bytes],
    encoding: str = "ASCII",
    stand_ins: Mapping[Tuple[str, str], Callable[..., Any]] = {},
) -> Any:
    """The content of a pickle that holds plain values and numpy arrays only.

    Args:
        source: a path, an open binary file or the bytes themselves.
        encoding: of the texts that Python 2 pickled ("latin1" for CIFAR).
        stand_ins: classes to use in place of others that the file names, by (module, name).

    Raises:
        InputError: the file cannot be read, is no pickle, or asks for anything else.
    """
    name = f"file '{source}'" if isinstance(source, (str, Path)) else "the data"
    try:
        if isinstance(source, (str, Path)):
            with open(reading.opened(source, "file"), "rb") as file:
                return _load(file, os.fstat(file.fileno()).st_size, encoding, stand_ins)
        if isinstance(source, bytes):
            return _load(io.BytesIO(source), len(source), encoding, stand_ins)
        return _load(source, _SMALL, encoding, stand_ins)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from None
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{name} is not a pickle of plain data: it asks for more memory than there is") from None
    except EOFError:
        raise InputError(f"{name} is not a pickle of plain data: it is cut off") from None
    except Exception as error:  # damage shows in many ways, and nothing but values is made here
        reason = str(error) or type(error).__name__
        raise InputError(f"{name} is not a pickle of plain data: {' '.join(reason.split())}") from None


def _load(file: BinaryIO, size: int, encoding: str, stand_ins: StandIns) -> Any:
    # Python's own reader in C fills the memory where a damaged file says so; the slow one does not.
    kind: Any = pickle.Unpickler if size >= _SMALL else pickle._Unpickler

    class Restricted(kind):
        def find_class(self, module: str, name: str) -> Any:
            return _found(module, name, stand_ins)

    with reading.quiet():
        return Restricted(file, encoding=encoding).load()

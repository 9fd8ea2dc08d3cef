"""Read pickle files of data without running what they may hold."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any, BinaryIO, Callable, Collection, Mapping, Tuple, Union

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


class _Restricted(pickle.Unpickler):
    allowed: Collection[Tuple[str, str]] = NUMPY
    stand_ins: Mapping[Tuple[str, str], Callable[..., Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self.stand_ins:
            return self.stand_ins[module, name]
        if (module, name) not in self.allowed:
            module, name = module[:40], name[:40]
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which a data file has no use for")
        if name in _MADE_HERE:
            return _MADE_HERE[name]
        return super().find_class(module, name)


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
                return _unpickler(file, encoding, stand_ins).load()
        return _unpickler(io.BytesIO(source) if isinstance(source, bytes) else source, encoding, stand_ins).load()
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from None
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{name} is not a pickle of plain data: it asks for more memory than there is") from None
    except Exception as error:  # damage shows in many ways, and nothing but values is made here
        raise InputError(f"{name} is not a pickle of plain data: {' '.join(str(error).split())}") from None


def _unpickler(
    file: BinaryIO, encoding: str, stand_ins: Mapping[Tuple[str, str], Callable[..., Any]]
) -> pickle.Unpickler:
    unpickler = _Restricted(file, encoding=encoding)
    unpickler.stand_ins = stand_ins
    return unpickler

"""Read pickle files of data without running what they may hold.

Nothing of numpy's is called with what a file says: numpy trusts its pickles, so that a damaged one can end the process.
Its types, arrays and scalars are made here instead, from what was checked.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, Callable, Mapping, Tuple, Union

import numpy as np

from naslib_gennas import reading
from naslib_gennas.errors import InputError

_SMALL = 2**20  # bytes
# Numbers, truth values, texts and Python's objects; a text's size is part of its name.
_PLAIN_TYPE = re.compile(r"[<>|=]?(?:[biufc][0-9]{1,2}|[SU][0-9]{1,6}|O8?)")
_ARRAY = "numpy.ndarray"  # what the class is to a pickle: a name, nothing to be called

StandIns = Mapping[Tuple[str, str], Callable[..., Any]]


class _Type:
    """A numpy type of plain values: its name, then its byte order."""

    def __init__(self, name: Any, *_: Any) -> None:
        name = _text(name)
        if not _PLAIN_TYPE.fullmatch(name):
            raise pickle.UnpicklingError(f"it asks for the type {name[:20]!r}, which a data file has no use for")
        self.numpy = np.dtype(name)

    def __setstate__(self, state: Any) -> None:
        _, order, *parts = state
        if _text(order) not in ("<", ">", "=", "|") or any(part is not None for part in parts[:3]):
            raise pickle.UnpicklingError("it asks for a type of several parts, which a data file has no use for")
        self.numpy = self.numpy.newbyteorder(_text(order))


class Array(np.ndarray):
    """An array that gets its shape and values last, as numpy pickles them."""

    def __new__(cls) -> Array:
        return super().__new__(cls, 0, np.int8)

    def __setstate__(self, state: Any) -> None:
        shape, kind, by_column, values = state[-4:]
        type_, content = _checked(shape, kind, values)
        made: Any = (1, shape, type_, bool(by_column), content)
        super().__setstate__(made)


def _checked(shape: Any, kind: Any, values: Any) -> Tuple[np.dtype, Any]:
    """The type and the values of an array, where there are as many as its shape has."""
    if not (isinstance(kind, _Type) and isinstance(shape, tuple) and len(shape) <= 32):
        raise pickle.UnpicklingError(f"it makes an array of shape {str(shape)[:40]}")
    if not all(reading.whole(size, 0, 2**40) for size in shape):
        raise pickle.UnpicklingError(f"it makes an array of shape {str(shape)[:40]}")
    count, type_ = math.prod(shape), kind.numpy
    if type_.hasobject:
        fits = isinstance(values, list) and len(values) == count
    else:
        values = values.encode("latin1") if isinstance(values, str) else values
        fits = isinstance(values, (bytes, bytearray)) and len(values) == count * type_.itemsize
    if not fits:
        raise pickle.UnpicklingError(f"it makes an array of shape {str(shape)[:40]} of other values than that has")
    return type_, values


def _empty(kind: Any, shape: Any, *_: Any) -> np.ndarray:
    """An array before it gets its shape and values, which is all that numpy's pickles ask for."""
    if kind != _ARRAY or shape not in ((0,), [0]):
        raise pickle.UnpicklingError(f"it makes an array of shape {str(shape)[:40]} out of nothing")
    return Array()


def _from_buffer(values: Any, kind: Any, shape: Any, order: Any, *_: Any) -> np.ndarray:
    """An array at once, as later protocols pickle it."""
    type_, content = _checked(shape, kind, values)
    if type_.hasobject or order not in ("C", "F"):
        raise pickle.UnpicklingError("it makes an array of objects out of bytes")
    return np.frombuffer(bytearray(content), type_).reshape(shape, order=order)


def _scalar(kind: Any, value: Any = None) -> Any:
    """A number of a numpy type; an object is itself."""
    if isinstance(kind, _Type) and kind.numpy.hasobject:
        return value
    type_, content = _checked((), kind, value)
    return np.frombuffer(bytes(content), type_)[0] if type_.itemsize else type_.type()


def _encoded(text: Any, codec: Any) -> bytes:
    """The bytes that a text stands for in pickles of Python 2's protocols, which know one codec."""
    if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it asks for the codec {str(codec)[:20]!r}")
    return text.encode("latin1")


def _nothing() -> bytes:
    """No bytes, which the first protocols ask Python for."""
    return b""


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


#: What stands for each name that pickled arrays and scalars have, under numpy 1 and 2 alike.
MADE_HERE: Mapping[Tuple[str, str], Any] = {
    **{
        (f"{root}.{module}", name): made
        for root in ("numpy.core", "numpy._core")
        for module, name, made in (
            ("multiarray", "_reconstruct", _empty),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encoded,
    ("__builtin__", "bytes"): _nothing,
    ("collections", "OrderedDict"): OrderedDict,
}


def _found(module: str, name: str, stand_ins: StandIns) -> Any:
    found = stand_ins.get((module, name), MADE_HERE.get((module, name)))
    if found is None:
        raise pickle.UnpicklingError(f"it asks for {module[:40]}.{name[:40]}, which a data file has no use for")
    return found


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

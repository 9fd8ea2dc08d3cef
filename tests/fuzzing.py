"""Hostile input for readers: texts that are damaged, values of wrong kinds, and what a reader may do with them.

GENNAS_FUZZ sets how many inputs each reader gets, GENNAS_FUZZ_SEED draws others; docs/reliability.md says what long
runs found.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import warnings

import numpy as np

from naslib_gennas.errors import InputError

COUNT = int(os.environ.get("GENNAS_FUZZ", 30))
SEED = os.environ.get("GENNAS_FUZZ_SEED", "")
SECONDS = 20  # for one input; a hang, not slowness, is what this finds

TOKENS = (
    *(
        "²",
        "٣",
        "½",
        "-1",
        "-0",
        "9223372036854775808",
        "9" * 400,
        "9" * 5000,
        "1e999",
        "1e-3",
        ".inf",
        "NaN",
        "Infinity",
    ),
    *("null", "~", "true", "[]", "{}", '""', "[" * 300, "[" * 20000, "{" * 300, '{"a":' * 2000, "0x10", "1_000", "\0"),
    *(
        "2001-99-99",
        "!!int foo",
        "!!python/object:os.system x",
        "!!binary x",
        "&a [*a]",
        "*a",
        "<<: 3",
        "\ufeff",
        "\ud800",
    ),
    *(
        "'",
        '"',
        "\\",
        "\n",
        "\r\n",
        "\t",
        "|",
        "+",
        ":",
        ",",
        "(",
        ")",
        "]",
        "}",
        "%s",
        "{0}",
        "$x_{",
        "<script>",
        "=1+1",
    ),
    *("range(10**9)", "range(1000000000)", "10**10**10", "x" * 5000, "../" * 50, "/dev/zero", "é" * 300),
)
VALUES = (
    *(None, True, 5, -1, 2**63, 10**400, 1.5, float("nan"), float("inf"), "", "x" * 5000, b"\xff", [], {}, (), set()),
    *(
        [[]],
        [None] * 7,
        {"a": 1},
        {1: 2},
        range(10**9),
        [[[[]]]],
        "\ud800",
        object(),
        [1e308] * 4,
        np.zeros((7, 7)),
        [{}],
    ),
)


def changed(text, draw):
    """A text with a few places cut, doubled, exchanged, or replaced by a token that readers have stumbled over."""
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(text) + 1)
        end = min(len(text), at + draw.choice([0, 1, 2, 8, 40]))
        kind = draw.randrange(5)
        if kind < 2:
            text = text[:at] + draw.choice(TOKENS) + text[end:]
        elif kind == 2:
            text = text[:at] + text[end:]
        elif kind == 3:
            text = text[:end] + text[at:]
        else:
            numbers = [place for place, char in enumerate(text[:4000]) if char.isdigit()]
            if numbers:
                at = draw.choice(numbers)
                text = text[:at] + draw.choice(TOKENS[:13]) + text[at + 1 :]
    return text


@contextlib.contextmanager
def limit():
    def hang(*_):
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def check(read, given):
    """Whether it was refused; anything but success or one line of less than 500 characters is a failure."""
    ignored = []
    before, sys.unraisablehook = sys.unraisablehook, ignored.append
    try:
        with limit(), warnings.catch_warnings():
            warnings.simplefilter("error")  # a line on the terminal, too
            read(given)
        return False
    except InputError as refused:
        line = str(refused)
        assert line and line.isprintable() and len(line) < 500, line[:2000]
        return True
    except BaseException as error:
        raise AssertionError(f"{type(error).__name__} from {str(given)[:300]!r}") from error
    finally:
        sys.unraisablehook = before
        assert not ignored, f"on the terminal: {ignored[0].exc_value!r} from {str(given)[:300]!r}"


def drawing(name):
    """A random generator of a test's own; another GENNAS_FUZZ_SEED gives another one."""
    return random.Random(f"{name}{SEED}")

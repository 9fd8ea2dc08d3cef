"""Explicit seeds: every random number comes from one, and the caller's global generators stay as they were."""

from __future__ import annotations

import random
import threading
import zlib
from contextlib import contextmanager
from typing import Iterator, Union

import numpy as np
import torch

# The global generators belong to the process, so only one thread at a time may borrow them.
_lock = threading.RLock()


def derive(seed: int, *labels: Union[str, int]) -> int:
    """A seed for one purpose of a run, e.g. ``derive(0, "noise")``: independent of those for other purposes.

    Args:
        seed: the run's seed, 0 or larger.
        labels: words or numbers that name the purpose.

    Returns:
        An integer in [0, 2**63).
    """
    words = [label if isinstance(label, int) else zlib.crc32(label.encode()) for label in labels]
    state = np.random.SeedSequence([seed, *words]).generate_state(1, np.uint64)[0]
    return int(state) >> 1


def generator(seed: int, *labels: Union[str, int], device: Union[str, torch.device] = "cpu") -> torch.Generator:
    """A torch generator of its own for one purpose of a run (see `derive`)."""
    return torch.Generator(device=device).manual_seed(derive(seed, *labels))


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Seed the global generators of `random`, numpy and torch inside the block; restore all of them after it.

    For code that can draw from global state only, such as the initialisation of torch modules.
    """
    with _lock:
        python_state, numpy_state, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()
        cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
        try:
            random.seed(seed)
            np.random.seed(seed % 2**32)
            torch.default_generator.manual_seed(seed)
            if cuda_states is not None:
                torch.cuda.manual_seed_all(seed)
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
            torch.set_rng_state(torch_state)
            if cuda_states is not None:
                torch.cuda.set_rng_state_all(cuda_states)

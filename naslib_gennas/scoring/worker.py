"""What a worker does: score one architecture, whatever happens."""

from __future__ import annotations

import json
import math
import time
from functools import lru_cache
from typing import Any, Tuple

import cloudpickle
import torch

from naslib_gennas.errors import InputError, in_a_line
from naslib_gennas.proxies.measure import conditions, measure_architecture
from naslib_gennas.proxies.proxy import Score
from naslib_gennas.scoring import memory

#: The status of a score that a proxy refused to give, in what `work` gives.
REFUSED = "refused"


def work(payload: bytes, arch: bytes) -> Tuple[float, str, str, float, str]:
    """Score one architecture: value, status, reason, core-seconds and details as JSON.

    Args:
        payload: space, proxy, batch, seed and device, pickled.
        arch: the architecture, pickled.
    """
    _, space, proxy, batch, seed, device = _unpacked(payload)
    clock = time.thread_time if torch.device(device).type == "cpu" else time.perf_counter
    with conditions():
        started = clock()
        try:
            score = measure_architecture(space, cloudpickle.loads(arch), proxy, batch, seed, device)
            details = json.dumps(dict(score.details), allow_nan=False)
        except InputError as error:
            score, details = Score(-math.inf, REFUSED, str(error)), "{}"
        except Exception as error:  # a proxy may raise anything; the others go on
            score, details = Score(-math.inf, "failed", in_a_line(error)), "{}"
        seconds = clock() - started
        memory.give_back()
    value = float(score.value)
    if score.status != "ok" or not math.isfinite(value):
        status = score.status if score.status != "ok" else "diverged"
        return -math.inf, status, score.reason or f"the score is {value}", seconds, details
    return value, "ok", "", seconds, details


@lru_cache(maxsize=8)
def _unpacked(payload: bytes) -> Any:
    return cloudpickle.loads(payload)

"""What a score depends on, as one text: equal for equal settings, another for other code."""

from __future__ import annotations

import json
from typing import Any, Mapping


def canonical(settings: Mapping[str, Any]) -> str:
    """One JSON text for equal settings: sorted keys, no spaces."""
    return json.dumps(settings, sort_keys=True, separators=(",", ":"))

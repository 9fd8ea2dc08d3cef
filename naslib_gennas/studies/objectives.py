"""The objectives of a trade-off: the score, to be maximised, and costs of the trained network, to be minimised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from naslib_gennas import user_code
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import measures
from naslib_gennas.studies.measures import MEASURES, Conditions, Measurements

SCORE = "score"
_KNOWN = (SCORE, *MEASURES, "FILE.py:FUNCTION")


@dataclass(frozen=True)
class Objective:
    """What is traded off; make one with `parse`.

    Attributes:
        name: "score", one of `measures.MEASURES`, or ``FILE.py:FUNCTION``.
        at: the conditions of the measurement.
    """

    name: str
    at: Conditions = Conditions()

    def __str__(self) -> str:
        return self.name if self.maximised else f"{self.name}{measures.said(self.name, self.at)}"

    @property
    def maximised(self) -> bool:
        """Whether more is better: of the score alone."""
        return self.name == SCORE

    @property
    def identity(self) -> Dict[str, Any]:
        """All that decides its values besides the scorer; the code of a function of the user's is part of it."""
        return {"objective": str(self), **({} if self.maximised else measures.identity_of(self.name))}

    def value(self, arch: Any, measurements: Measurements) -> float:
        """What the network of an architecture costs.

        Raises:
            InputError: it cannot be measured, or a function of the user's gives no number.
        """
        value = measurements.of(self.name, arch, self.at).value
        if isinstance(value, bool):
            raise InputError(f"objective '{self.name}' gives {value}; it must give a number, which is minimised")
        return value

    def cost(self, value: float) -> float:
        """A value as something to be minimised."""
        return -value if self.maximised else value

    def shown(self, value: Optional[float]) -> str:
        """A value with its unit; nothing where there is none."""
        if value is None:
            return ""
        return f"{value:.4f}" if self.maximised else measures.shown(self.name, value)


def parse(
    text: Union[str, Objective],
    resolution: Optional[int] = None,
    classes: Optional[int] = None,
    device: str = "cpu",
    threads: int = 1,
    batch: Optional[int] = None,
) -> Objective:
    """The objective of a name.

    Args:
        text: ``score``, ``params``, ``flops``, ``memory``, ``latency``, or ``FILE.py:FUNCTION``, a function that takes
            the network and gives a number, which is minimised.
        resolution, classes, device, threads, batch: see `measures.Conditions`.

    Raises:
        InputError: there is no such objective.
    """
    if isinstance(text, Objective):
        return text
    if text != SCORE and text not in MEASURES:
        if not user_code.split(text)[1]:
            raise InputError(f"unknown objective '{text}'{suggest(str(text), _KNOWN)}")
        measures.get(text)
    return Objective(text, Conditions(resolution, classes, device, threads, batch))


def together(given: Sequence[Union[str, Objective]], space: SearchSpace[Any]) -> Tuple[Objective, ...]:
    """The objectives of one trade-off.

    Raises:
        InputError: fewer than two, one of them twice, or one that the networks of the space do not have.
    """
    if isinstance(given, str):
        raise InputError(f"objectives are a list, such as ['score', 'latency']; '{given}' is one text")
    found: List[Objective] = [parse(one) for one in given]
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"objective '{name}' is given {names.count(name)} times; give each one once")
    if len(found) < 2:
        other = "latency" if names == [SCORE] else SCORE
        alone = f"objective '{names[0]}' alone is no trade-off" if names else "there are no objectives"
        raise InputError(f"{alone}; add another one, such as {other}")
    if "flops" in names and space.kind == "rnn":
        raise InputError(f"{space.name}: recurrent networks have no flops of an image; trade off params or latency")
    return tuple(found)

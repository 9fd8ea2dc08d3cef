"""Choices that a function asks for while it makes a network, by the names that `optuna.Trial` has for them."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Hashable, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from naslib_gennas.errors import InputError, suggest

#: An answer as an architecture holds it: plain data, a tuple where the option is a list.
Answer = Hashable

#: An architecture: the answers by the names of the choices, in the order in which they were asked for.
Choices = Tuple[Tuple[str, Answer], ...]


class BadChoice(InputError):
    """What a function asks for is no choice."""


class Options(ABC):
    """What one choice may be answered with."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Answer:
        """An answer, each as likely."""

    def draw_another(self, rng: np.random.Generator, than: Answer) -> Answer:
        """An answer that differs from one; there must be `several`."""
        while True:
            answer = self.draw(rng)
            if _mark(answer) != _mark(than):
                return answer

    @abstractmethod
    def find(self, answer: Any) -> Answer:
        """The answer that `answer` means, as architectures hold it.

        Raises:
            ValueError: it is none of the options.
        """

    @property
    @abstractmethod
    def several(self) -> bool:
        """Whether there is more than one option."""

    def value(self, answer: Answer) -> Any:
        """What the function gets for an answer."""
        return answer


@dataclass(frozen=True)
class Categorical(Options):
    """One of several values; two of them are the same options where they are written the same."""

    written: Tuple[Answer, ...]
    values: Tuple[Any, ...] = field(compare=False)

    def draw(self, rng: np.random.Generator) -> Answer:
        return self.written[int(rng.integers(len(self.written)))]

    def find(self, answer: Any) -> Answer:
        return self.written[self._index(answer)]

    def value(self, answer: Answer) -> Any:
        return self.values[self._index(answer)]

    def _index(self, answer: Any) -> int:
        texts = [_mark(one) for one in self.written]
        if _mark(answer) in texts:
            return texts.index(_mark(answer))
        numbers = [index for index, one in enumerate(self.written) if _is_number(one) and one == answer]
        if not numbers or not _is_number(answer):
            raise ValueError
        return numbers[0]

    @property
    def several(self) -> bool:
        return len(self.written) > 1

    def __str__(self) -> str:
        return "one of " + ", ".join(to_json(answer) for answer in self.written)


@dataclass(frozen=True)
class Numbers(Options):
    """A number from `low` to `high`, of a grid where there is a step."""

    low: float
    high: float
    step: Optional[float]
    log: bool
    whole: bool

    def draw(self, rng: np.random.Generator) -> Answer:
        if self.log and self.whole:
            return self._kept(math.exp(rng.uniform(math.log(self.low - 0.5), math.log(self.high + 0.5))))
        if self.log:
            return self._kept(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))
        if self.step is None:
            return self._kept(rng.uniform(self.low, self.high))
        return self._kept(self.low + self.step * int(rng.integers(self._steps + 1)))

    @property
    def _steps(self) -> int:
        assert self.step is not None
        return math.floor((self.high - self.low) / self.step + 1e-9)

    def _kept(self, number: float) -> Answer:
        number = min(max(number, self.low), self.high)
        return round(number) if self.whole else float(number)

    def find(self, answer: Any) -> Answer:
        if not _is_number(answer) or not self.low <= answer <= self.high:
            raise ValueError
        if self.step is None or self.log:
            found = answer
        else:
            count = round((answer - self.low) / self.step)
            found = self.low + self.step * count
            if not math.isclose(found, answer, rel_tol=1e-9, abs_tol=1e-12) or count > self._steps:
                raise ValueError
        if self.whole and found != round(found):
            raise ValueError
        return self._kept(found)

    @property
    def several(self) -> bool:
        return self.high > self.low and (self.step is None or self._steps > 0)

    def __str__(self) -> str:
        step = f" in steps of {self.step:g}" if self.step not in (None, 1) else ""
        return f"a {'whole ' * self.whole}number from {self.low:g} to {self.high:g}{step}"


class Choose:
    """Answers a function's questions as `optuna.Trial` does, and notes what was asked.

    Args:
        answer: gives the answer to a choice of that name with those options.

    Attributes:
        options: of every choice that was asked for, by name.
        answers: to them.
        params: the values that the function got for them.
    """

    def __init__(self, answer: Callable[[str, Options], Answer]) -> None:
        self._answer = answer
        self.options: Dict[str, Options] = {}
        self.answers: Dict[str, Answer] = {}
        self.params: Dict[str, Any] = {}
        # What else a trial has, so that functions made for one work.
        self.number, self.user_attrs, self.system_attrs = 0, {}, {}  # type: int, Dict[str, Any], Dict[str, Any]

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of `choices`: numbers, texts, lists of them, functions or classes (written by their names)."""
        try:
            values = tuple(choices)
        except TypeError:
            raise BadChoice(f"choice '{name}' needs a list of options, not {choices!r}") from None
        if not values:
            raise BadChoice(f"choice '{name}' has no options")
        written = tuple(_written(name, value) for value in values)
        marks = [_mark(answer) for answer in written]
        twice = [answer for answer, mark in zip(written, marks) if marks.count(mark) > 1]
        if twice:
            raise BadChoice(f"choice '{name}' has the option {to_json(twice[0])} twice")
        return self._ask(name, Categorical(written, values))

    def suggest_int(self, name: str, low: int, high: int, step: int = 1, log: bool = False) -> int:
        """A whole number from `low` to `high`, both included."""
        for word, number in (("low", low), ("high", high), ("step", step)):
            if not _is_number(number) or number != round(number):
                raise BadChoice(f"choice '{name}': {word} is {number!r}; it takes a whole number")
        return int(self._ask(name, _numbers(name, int(low), int(high), int(step), log, whole=True)))

    def suggest_float(
        self, name: str, low: float, high: float, step: Optional[float] = None, log: bool = False
    ) -> float:
        """A number from `low` to `high`."""
        for word, number in (("low", low), ("high", high), ("step", 1.0 if step is None else step)):
            if not _is_number(number):
                raise BadChoice(f"choice '{name}': {word} is {number!r}; it takes a number")
        width = None if step is None else float(step)
        return float(self._ask(name, _numbers(name, float(low), float(high), width, log, whole=False)))

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        """`suggest_float` under its old name."""
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """`suggest_float` with ``log=True`` under its old name."""
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        """`suggest_float` with a step under its old name."""
        return self.suggest_float(name, low, high, step=q)

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep a remark, for the length of this call."""
        self.user_attrs[key] = value

    def report(self, value: float, step: int) -> None:
        """Nothing: a search space's function trains nothing."""

    def should_prune(self) -> bool:
        """False."""
        return False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        known = [key for key in dir(type(self)) if key.startswith("suggest_")]
        raise BadChoice(f"a choice cannot be made by '{name}'{suggest(name, known)}")

    def _ask(self, name: str, options: Options) -> Any:
        if not isinstance(name, str) or not name:
            raise BadChoice(f"a choice's name is {name!r}; it takes a text")
        if name in self.options:
            if self.options[name] != options:
                raise BadChoice(
                    f"choice '{name}' is asked for twice with other options: {self.options[name]}, then {options}; "
                    "give each choice a name of its own"
                )
        else:
            answer = self._answer(name, options)
            self.options[name], self.answers[name] = options, answer
            self.params[name] = options.value(answer)
        return self.params[name]

    @property
    def choices(self) -> Choices:
        """The architecture that the answers make."""
        return tuple(self.answers.items())


def _numbers(name: str, low: float, high: float, step: Optional[float], log: bool, whole: bool) -> Numbers:
    if not low <= high or not (math.isfinite(low) and math.isfinite(high)):
        raise BadChoice(f"choice '{name}' has no options: low is {low}, high is {high}")
    if step is not None and not step > 0:
        raise BadChoice(f"choice '{name}': step is {step}; it takes a number above 0")
    if log and (low <= 0 or step not in (None, 1)):
        raise BadChoice(f"choice '{name}': log=True takes a low above 0 and no step")
    return Numbers(low, high, step, log, whole)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _written(name: str, value: Any) -> Answer:
    """An option as plain data."""
    if isinstance(value, (np.integer, np.floating, np.bool_)):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise BadChoice(f"choice '{name}' has the option {value}, which is no finite number")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(_written(name, part) for part in value)
    if isinstance(getattr(value, "__name__", None), str):
        return str(value.__name__)
    raise BadChoice(
        f"choice '{name}' has an option of type {type(value).__name__}, which cannot be written down; choose among "
        "numbers, texts, lists of them, functions or classes"
    )


def _mark(answer: Any) -> Any:
    """Equal for answers that are written the same: 1, 1.0 and True are not."""
    return (type(answer), answer) if isinstance(answer, (bool, int, float, str)) else to_json(answer)


def to_json(answer: Any) -> str:
    """An answer, or an architecture as a mapping, as JSON."""
    return json.dumps(answer, ensure_ascii=False, default=str)


def frozen(value: Any) -> Any:
    """What JSON holds as an answer: a tuple for a list."""
    return tuple(frozen(part) for part in value) if isinstance(value, (list, tuple)) else value


# ------------------------------------------------------------------------------------------- ways to answer


def drawn(rng: np.random.Generator, kept: Mapping[str, Tuple[Options, Answer]] = {}) -> Callable[..., Answer]:
    """Answers that are kept where the same choice has the same options, and drawn otherwise."""

    def answer(name: str, options: Options) -> Answer:
        if name in kept and kept[name][0] == options:
            return kept[name][1]
        return options.draw(rng)

    return answer


class Missing(LookupError):
    """A choice that is asked for and has no answer, or one that is none of its options."""


def given(answers: Union[Mapping[str, Any], Choices]) -> Callable[..., Answer]:
    """The answers of an architecture.

    Its calls raise `Missing`, with a message about the choice.
    """
    known: Dict[str, Any] = dict(answers)

    def answer(name: str, options: Options) -> Answer:
        if name not in known:
            raise Missing(f"choice '{name}' has no answer; it takes {options}")
        try:
            return options.find(frozen(known[name]))
        except ValueError:
            raise Missing(f"choice '{name}' is {to_json(known[name])}; it takes {options}") from None

    return answer


def unasked(answers: Mapping[str, Any], choose: Choose) -> List[str]:
    """Names with an answer that nothing has asked for."""
    return [name for name in answers if name not in choose.answers]

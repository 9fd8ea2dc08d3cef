"""The search space of a function that makes a network from choices."""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import re
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import nn

from naslib_gennas import user_code
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.networks import tapped
from naslib_gennas.networks.classifier import Classifier
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.randomness import isolated
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces import choices, tracing
from naslib_gennas.spaces.choices import Choices, Choose
from naslib_gennas.spaces.space import SearchSpace

#: What a function returns: a module whose stages are found, a module and the names of the submodules that end its
#: stages, or a network whose forward gives its stage feature maps.
Made = Union[nn.Module, Tuple[nn.Module, Sequence[str]]]

_TRIES = 1000
_KEYS = 4096


class NotAllowed(Exception):
    """Raise it in a search space's function where the choices made so far must not be combined.

    They are drawn anew. ``optuna.TrialPruned`` does the same.
    """


class _Failed(InputError):
    """The function raised an error."""


@dataclass(frozen=True)
class _Run:
    """One call of the function."""

    network: nn.Module
    stages: Tuple[str, ...]
    choose: Choose
    weightless: Optional[tracing.Weightless]


class FunctionSpace(SearchSpace[Choices]):
    """The search space of a function; make one with `from_function`."""

    stages = None
    mutation = "one choice is drawn anew, and whatever becomes necessary by it"

    def __init__(
        self,
        function: Callable[[Any], Made],
        name: Optional[str] = None,
        *,
        inputs: Optional[Sequence[int]] = None,
        parse: Optional[Callable[[Any], Mapping[str, Any]]] = None,
        format: Optional[Callable[[Dict[str, Any]], str]] = None,
        fixed_skeleton: bool = False,
        code: Sequence[Any] = (),
    ) -> None:
        self.function, self._parse, self._format = function, parse, format
        self.name = re.sub(r"[^\w.-]+", "-", name or name_of(function)).strip("-") or "own"
        self.inputs = _shape(self.name, inputs)
        self._place = _place(function)
        self._without_weights, self._keys = True, OrderedDict()  # type: bool, OrderedDict[Choices, str]
        _check_arguments(self.name, function)
        first = self._check()
        kinds = [type(part) for part in first.network.modules()]
        # The user may change what decides the networks: it is part of a score's identity.
        self._sources = [part for part in (function, parse, format, *code, *dict.fromkeys(kinds)) if part is not None]
        self.fixed_skeleton = fixed_skeleton
        self.settings = {
            **({"inputs": list(self.inputs)} if self.inputs else {}),
            **({"fixed skeleton": True} if fixed_skeleton else {}),
        }
        self.notation = self.format(first.choose.choices)
        self._check_notation()

    def sources(self) -> Sequence[Any]:
        """The function, and what its networks are made of."""
        return self._sources

    def sample(self, rng: np.random.Generator) -> Choices:
        """Every choice drawn with equal probabilities of its options."""
        return self._allowed(lambda: self._run(choices.drawn(rng)).choose.choices)

    def mutate(self, arch: Choices, rng: np.random.Generator) -> Choices:
        """One choice gets another answer; the others stay where they are still asked for with the same options."""
        before = self._again(arch).choose
        names = [name for name, options in before.options.items() if options.several]
        if not names:
            raise InputError(f"search space '{self.name}' has one architecture only: no choice has two options")

        def neighbour() -> Choices:
            name = names[int(rng.integers(len(names)))]
            kept = {key: (options, before.answers[key]) for key, options in before.options.items()}
            kept[name] = (before.options[name], before.options[name].draw_another(rng, before.answers[name]))
            return self._run(choices.drawn(rng, kept)).choose.choices

        return self._allowed(neighbour)

    def key(self, arch: Choices) -> str:
        """Equal where the same modules are made and traced to the same calls; the choices where that cannot be told."""
        known = self._keys.get(arch)
        if known is None:
            known = self._keys[arch] = self._traced(arch) or choices.to_json(dict(arch))
            if len(self._keys) > _KEYS:
                self._keys.popitem(last=False)
        return known

    def parse(self, text: Any) -> Choices:
        answers = self._read(text)
        example = f"; one looks like {self.notation}"
        try:
            try:
                choose = self._run(choices.given(answers)).choose
            except choices.Missing:
                if self._parse is None or not isinstance(text, Mapping):
                    raise
                answers = self._translated(text)
                choose = self._run(choices.given(answers)).choose
        except choices.Missing as error:
            raise InputError(f"{self.name}: {_short(text)}: {error}{example}") from None
        except NotAllowed as error:
            raise InputError(f"{self.name}: {_short(text)} is not allowed by the function: {error}") from None
        unknown = choices.unasked(answers, choose)
        if unknown:
            raise InputError(
                f"{self.name}: {_short(text)}: no choice '{unknown[0]}' is asked for"
                + suggest(unknown[0], choose.answers)
            )
        return choose.choices

    def format(self, arch: Choices) -> str:
        if self._format is None:
            return choices.to_json(dict(arch))
        try:
            return str(self._format(dict(arch)))
        except Exception as error:  # whatever the user's code raises
            raise InputError(f"search space '{self.name}': its format fails: {user_code.said(error)}") from None

    def build(self, arch: Choices, size: Sequence[int]) -> StagedNetwork:
        """The network, with the weights that the function gives it.

        Args:
            arch: an architecture.
            size: shape of one input.
        """
        choose = Choose(choices.given(arch))
        try:
            network, stages = self._returned(self._call(choose))
        except choices.Missing as error:
            raise self._other_choices(str(error)) from None
        self._compare(arch, choose)
        return _staged(_drawn(network, torch.zeros(2, *size)), stages, size)

    def published(self, arch: Choices, classes: Optional[int] = None, resolution: Optional[int] = None) -> nn.Module:
        """The module that the function returns; with `classes`, its last linear layer has as many outputs."""
        network, _ = self._returned(self._call(Choose(choices.given(arch))))
        network = _drawn(network, self.example(2, resolution))
        names = [name for name, part in network.named_modules() if isinstance(part, nn.Linear) and name]
        if classes is not None:
            if not names:
                raise InputError(f"{self.name}: its networks have no nn.Linear whose number of outputs could change")
            parent, _, name = names[-1].rpartition(".")
            last = getattr(network.get_submodule(parent), name)
            setattr(network.get_submodule(parent), name, nn.Linear(last.in_features, classes, last.bias is not None))
        return Classifier(network, (self.name, arch)) if isinstance(network, StagedNetwork) else network

    def example(self, count: int = 1, resolution: Optional[int] = None) -> torch.Tensor:
        side = resolution or self.published_resolution
        return torch.randn(count, *(self.inputs or (3, side, side)))

    def size(self, profile: Profile) -> Tuple[int, ...]:
        """The shape of one input. The network is the user's: it is not made smaller."""
        return self.inputs or (3, profile.resolution, profile.resolution)

    def __getstate__(self) -> Dict[str, Any]:
        return {**vars(self), "_keys": OrderedDict()}

    # ------------------------------------------------------------------------------------------- calls of the function

    def _run(self, answer: Callable[..., Any], told: bool = False, seed: int = 0) -> _Run:
        """Call the function without making weights; where that fails, with them.

        Raises:
            InputError: it fails, makes no choices or returns no module.
        """
        choose, weightless = Choose(answer), tracing.Weightless(told)
        if self._without_weights:
            try:
                with isolated(seed), weightless:
                    return _Run(*self._returned(self._call(choose)), choose, weightless)
            except _Failed:  # it may need the numbers
                pass
        so_far = dict(choose.answers)
        again = Choose(lambda name, options: so_far[name] if name in so_far else answer(name, options))
        with isolated(seed):
            made = _Run(*self._returned(self._call(again)), again, None)
        self._without_weights = False
        return made

    def _call(self, choose: Choose) -> Any:
        try:
            with self._at_home():
                return self.function(choose)
        except choices.Missing:
            raise
        except (Exception, SystemExit) as error:
            if _not_allowed(error):
                raise NotAllowed(str(error) or "these choices") from None
            line = user_code.at_line(error, self._place) if self._place else ""
            if isinstance(error, choices.BadChoice):
                raise InputError(f"search space '{self.name}'{line}: {error}") from None
            hint = "; it makes the network from the choices alone, without data" if isinstance(error, OSError) else ""
            raise _Failed(
                f"search space '{self.name}'{line}: {user_code.said(error)}{hint}; its choices were "
                f"{choices.to_json(choose.answers)}"
            ) from error

    def _at_home(self) -> ContextManager[None]:
        """Modules beside the function's file can be imported inside the block."""
        return user_code.beside(self._place.parent) if self._place else contextlib.nullcontext()

    def _returned(self, made: Any) -> Tuple[nn.Module, Tuple[str, ...]]:
        network, stages = made, ()  # type: Any, Tuple[str, ...]
        if isinstance(made, (tuple, list)) and len(made) == 2 and isinstance(made[0], nn.Module):
            network, names = made
            if isinstance(names, str) or not all(isinstance(name, str) for name in names) or not names:
                raise InputError(
                    f"search space '{self.name}': the stages beside the module are {names!r}; they are a list of names "
                    "of submodules, such as ['stage1', 'stage2']"
                )
            stages = tuple(names)
            known = [name for name, _ in network.named_modules() if name]
            for name in stages:
                if name not in known:
                    raise InputError(f"search space '{self.name}': no submodule '{name}'{suggest(name, known)}")
        if not isinstance(network, nn.Module):
            raise InputError(
                f"search space '{self.name}' returns {_a(network)}; its function returns a torch module, or a module "
                "and a list of the names of its stages"
            )
        return network, stages

    def _allowed(self, make: Callable[[], Choices]) -> Choices:
        """What `make` gives, tried until the function allows it."""
        reason = ""
        for _ in range(_TRIES):
            try:
                return make()
            except NotAllowed as error:
                reason = str(error)
        raise InputError(f"search space '{self.name}': {_TRIES} draws were not allowed by the function: {reason}")

    def _again(self, arch: Choices, told: bool = False) -> _Run:
        """A call with the answers of an architecture."""
        try:
            run = self._run(choices.given(arch), told)
        except choices.Missing as error:
            raise self._other_choices(str(error)) from None
        self._compare(arch, run.choose)
        return run

    def _compare(self, arch: Choices, choose: Choose) -> None:
        extra = choices.unasked(dict(arch), choose)
        if extra:
            raise self._other_choices(f"choice '{extra[0]}' is not asked for any more")

    def _other_choices(self, what: str) -> InputError:
        return InputError(
            f"search space '{self.name}' makes other choices for the same answers: {what}; what is asked for may "
            "depend on earlier answers alone"
        )

    def _check(self) -> _Run:
        """Call the function three times with the same answers, under other seeds of what it may draw from."""
        generator = np.random.default_rng(0)
        arch = self._allowed(lambda: self._run(choices.drawn(generator)).choose.choices)
        if not arch:
            raise InputError(
                f"search space '{self.name}' has no choices: its function calls none of suggest_categorical, "
                "suggest_int and suggest_float"
            )
        first: Optional[_Run] = None
        for seed in (1, 2, 3):
            try:
                run = self._run(choices.given(arch), seed=seed)
            except choices.Missing as error:
                raise self._other_choices(str(error)) from None
            self._compare(arch, run.choose)
            for name, options in run.choose.options.items():
                if first is not None and options != first.choose.options[name]:
                    raise self._other_choices(f"choice '{name}' takes {first.choose.options[name]}, then {options}")
            first = run
        assert first is not None
        return first

    def _check_notation(self) -> None:
        generator = np.random.default_rng(0)
        for arch in [self.sample(generator) for _ in range(5)] if self._parse or self._format else []:
            text = self.format(arch)
            if self.parse(text) != arch:
                raise InputError(
                    f"search space '{self.name}': its parse and format do not fit: {choices.to_json(dict(arch))} is "
                    f"written {_short(text)}, and read as {choices.to_json(dict(self.parse(text)))}"
                )

    def _read(self, text: Any) -> Dict[str, Any]:
        """The answers that a text, a mapping or an architecture holds, by the names of the choices."""
        example = f"one looks like {getattr(self, 'notation', '')}"
        if isinstance(text, str) and self._parse is not None and not text.lstrip().startswith("{"):
            return self._translated(text)
        if isinstance(text, str):
            try:
                text = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{self.name}: {_short(text)} is not JSON ({error}); {example}") from None
        if isinstance(text, (tuple, list)) and all(isinstance(part, (tuple, list)) and len(part) == 2 for part in text):
            text = {str(name): answer for name, answer in text}
        if not isinstance(text, Mapping):
            raise InputError(f"{self.name}: {_short(text)} is no mapping of choices to answers; {example}")
        return {str(name): answer for name, answer in text.items()}

    def _translated(self, text: Any) -> Dict[str, Any]:
        """The answers that the user's `parse` gives for another notation."""
        assert self._parse is not None
        try:
            return {str(name): answer for name, answer in dict(self._parse(text)).items()}
        except Exception as error:  # whatever the user's code raises
            raise InputError(
                f"{self.name}: {_short(text)} is not an architecture ({user_code.said(error)}); one looks like "
                f"{getattr(self, 'notation', '')}"
            ) from None

    def _traced(self, arch: Choices) -> Optional[str]:
        try:
            run = self._again(arch, told=True)
            if run.weightless is None:
                return None
            with isolated(0):
                return tracing.identity(run.network, run.stages, run.weightless)
        except tracing.Untraceable:
            return None


def _drawn(network: nn.Module, inputs: torch.Tensor) -> nn.Module:
    """The network, the weights of its lazy modules drawn: that takes inputs."""
    if any(isinstance(part, nn.modules.lazy.LazyModuleMixin) for part in network.modules()):
        training = network.training
        network.eval()(inputs)
        network.train(training)
    return network


def _staged(network: nn.Module, stages: Sequence[str], size: Sequence[int]) -> StagedNetwork:
    if isinstance(network, StagedNetwork):
        return network
    return tapped.tap(network, torch.randn(3, *size, generator=torch.Generator().manual_seed(0)), stages or None)


def _not_allowed(error: BaseException) -> bool:
    """Whether the function drops the choices: Optuna's own exception counts, wherever Optuna is."""
    return isinstance(error, NotAllowed) or type(error).__name__ == "TrialPruned"


def _check_arguments(name: str, function: Any) -> None:
    """See that the function can be called with one argument."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin
        raise InputError(f"search space '{name}': {_a(function)} is no function of choices") from None
    try:
        signature.bind(None)
    except TypeError:
        count = len(signature.parameters)
        takes = f"{count} arguments ({', '.join(signature.parameters)})" if count else "no argument"
        raise InputError(
            f"search space '{name}': its function takes {takes}; it takes one, the object that is asked for choices"
        ) from None


def _shape(name: str, inputs: Optional[Sequence[int]]) -> Optional[Tuple[int, ...]]:
    if inputs is None:
        return None
    if not isinstance(inputs, (tuple, list)) or len(inputs) < 2 or not all(type(n) is int and n > 0 for n in inputs):
        raise InputError(
            f"search space '{name}': inputs is {inputs!r}; it is the shape of one input, such as (3, 64, 64) for "
            "images or (1, 1000) for maps over time"
        )
    return tuple(inputs)


def _plain(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.unwrap(function)


def _place(function: Any) -> Optional[Path]:
    """The file that a function is in; None for one that was typed into an interpreter."""
    plain = _plain(function)
    try:
        place = inspect.getsourcefile(plain if inspect.isroutine(plain) or inspect.isclass(plain) else type(plain))
    except (OSError, TypeError):
        return None
    return Path(place).resolve() if place and Path(place).is_file() else None


def name_of(function: Any) -> str:
    plain = _plain(function)
    return str(getattr(plain, "__name__", type(plain).__name__))


def _a(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return f"'{text[:100]}{'...' * (len(text) > 100)}'"

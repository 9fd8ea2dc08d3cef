"""A `ConfigSpace.ConfigurationSpace` as questions to an object that answers as `optuna.Trial` does."""

from __future__ import annotations

from typing import Any, Callable, Dict, List

from naslib_gennas.errors import InputError


def asking(space: Any, build: Callable[[Dict[str, Any]], Any]) -> Callable[[Any], Any]:
    """The function of choices that asks for the active hyperparameters and builds their configuration.

    Args:
        space: a configuration space, whose conditions and forbidden combinations hold.
        build: makes the network of a configuration.

    Raises:
        InputError: `space` is none, or has a hyperparameter of another kind.
    """
    try:
        import ConfigSpace
    except ImportError:
        raise InputError("from_configspace needs ConfigSpace: pip install ConfigSpace") from None
    if not isinstance(space, ConfigSpace.ConfigurationSpace):
        raise InputError(f"from_configspace takes a ConfigSpace.ConfigurationSpace, not a {type(space).__name__}")
    for parameter in space.values():
        _suggestion(parameter)
    return _Asking(space, build)


class _Asking:
    def __init__(self, space: Any, build: Callable[[Dict[str, Any]], Any]) -> None:
        self.space, self.build = space, build

    def __call__(self, choose: Any) -> Any:
        from naslib_gennas.spaces.functions import NotAllowed

        configuration: Dict[str, Any] = {}
        for name in _parents_first(self.space):
            if all(_holds(condition, configuration) for condition in self.space.parent_conditions_of[name]):
                configuration[name] = _suggestion(self.space[name])(choose)
        for clause in self.space.forbidden_clauses:
            if clause.is_forbidden_value(configuration):
                raise NotAllowed(f"the configuration space forbids {clause}")
        return self.build(configuration)


def _parents_first(space: Any) -> List[str]:
    order: List[str] = []

    def add(name: str) -> None:
        if name not in order:
            for parent in space.parents_of[name]:
                add(parent.name)
            order.append(name)

    for name in space:
        add(name)
    return order


def _holds(condition: Any, configuration: Dict[str, Any]) -> bool:
    """Whether a condition holds; one on an inactive hyperparameter does not."""
    components = getattr(condition, "components", None)
    if components is not None:
        holds = [_holds(part, configuration) for part in components]
        return all(holds) if "And" in type(condition).__name__ else any(holds)
    name = condition.parent.name
    return name in configuration and bool(condition.satisfied_by_value({name: configuration[name]}))


def _suggestion(parameter: Any) -> Callable[[Any], Any]:
    """How the value of a hyperparameter is asked for."""
    name, kind = parameter.name, type(parameter).__name__
    if kind == "Constant":
        return lambda choose: parameter.value
    if kind == "CategoricalHyperparameter":
        return lambda choose: choose.suggest_categorical(name, list(parameter.choices))
    if kind == "OrdinalHyperparameter":
        return lambda choose: choose.suggest_categorical(name, list(parameter.sequence))
    if kind == "UniformIntegerHyperparameter":
        return lambda choose: choose.suggest_int(name, parameter.lower, parameter.upper, log=parameter.log)
    if kind == "UniformFloatHyperparameter":
        return lambda choose: choose.suggest_float(name, parameter.lower, parameter.upper, log=parameter.log)
    raise InputError(
        f"hyperparameter '{name}' is a {kind}; from_configspace takes categorical, ordinal, uniform integer and "
        "uniform float ones, and constants"
    )

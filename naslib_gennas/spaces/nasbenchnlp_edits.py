"""Drawing and varying recipes of NAS-Bench-NLP (arXiv:2006.07116, section 3): the generator, its rules, mutations."""

from __future__ import annotations

from typing import Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple

import numpy as np

from naslib_gennas.networks.recurrent import INPUT, NEW, PREVIOUS, Node, state_number
from naslib_gennas.spaces.nasbenchnlp_graphs import (
    ACTIVATIONS,
    PAIRS,
    STATES,
    Recipe,
    canonical,
    live,
    ordered,
    reads_input,
    renamed,
)

# The generator's weights: operations, inputs of a linear node (the benchmark's published generator).
_DRAWS = {"linear": 3 / 6, "blend": 1 / 6, "elementwise_prod": 1 / 6, "elementwise_sum": 1 / 6}
_LINEAR_INPUTS = {2: 4 / 5, 3: 1 / 5}
# Nodes that the generator makes besides the hidden states, before it drops those that no hidden state needs: the
# largest node numbers among the benchmark's recipes tell (each belongs to a linear node that came last).
_INTERMEDIATE = 13
# Shares of one, two and three hidden states among the benchmark's recipes.
_STATE_SHARES = (0.40, 0.47, 0.13)
# The largest recipe of the search space (section 3).
_NODES = 24


def sample(rng: np.random.Generator) -> Recipe:
    """A recipe by the benchmark's generator, drawn again until x and all hidden states are used."""
    states = 1 + int(rng.choice(STATES, p=_STATE_SHARES))
    while True:
        recipe = _generate(states, rng)
        if _broken_rules(recipe) == 0:
            return recipe


def mutate(recipe: Recipe, rng: np.random.Generator) -> Recipe:
    """A neighbour that breaks no more of the generator's rules than `recipe` does."""
    before, broken = canonical(live(recipe)), _broken_rules(recipe)
    while True:
        edit = _EDITS[int(rng.integers(len(_EDITS)))]
        nodes = edit({node.name: node for node in recipe}, rng)
        mutant = None if nodes is None else ordered(_needed(nodes))
        if mutant and _complete(mutant) and _broken_rules(mutant) <= broken and canonical(live(mutant)) != before:
            return mutant


def _generate(states: int, rng: np.random.Generator) -> Recipe:
    """One draw of the benchmark's generator; it may break the generator's last rules (see `_broken_rules`)."""
    former = [f"{PREVIOUS}{i}" for i in range(states)]
    nodes: Dict[str, Node] = {}
    activations: List[str] = []

    def add(op: str, inputs: Sequence[str]) -> str:
        name = f"node_{len(nodes)}"
        nodes[name] = Node(name, op, tuple(inputs))
        return name

    while len(nodes) < states + _INTERMEDIATE:
        op = _pick(list(_DRAWS), rng, list(_DRAWS.values()))
        if op == "linear":
            sources = [INPUT, *former, *activations]
            count = int(rng.choice(list(_LINEAR_INPUTS), p=list(_LINEAR_INPUTS.values())))
            linear = add(op, _some(sources, min(count, len(sources)), rng))
            activations.append(add(_pick(ACTIVATIONS, rng), [linear]))
            continue
        sources = [*former, *nodes]
        count = 3 if op == "blend" else 2
        if count <= len(sources):
            add(op, _some(sources, count, rng))
    names = {name: f"{NEW}{i}" for i, name in enumerate(_some(list(nodes), states, rng))}
    recipe = ordered(_needed({names.get(name, name): renamed(node, names) for name, node in nodes.items()}))
    assert recipe is not None
    return recipe


def _pick(choices: Sequence[str], rng: np.random.Generator, weights: Optional[Sequence[float]] = None) -> str:
    return choices[int(rng.choice(len(choices), p=weights))]


def _some(choices: Sequence[str], count: int, rng: np.random.Generator) -> List[str]:
    return [choices[int(i)] for i in rng.choice(len(choices), count, replace=False)]


def _needed(nodes: Mapping[str, Node]) -> Dict[str, Node]:
    """The nodes that a new hidden state depends on within one time step."""
    found: Set[str] = set()
    waiting = [name for name in nodes if state_number(NEW, name) is not None]
    while waiting:
        name = waiting.pop()
        if name in nodes and name not in found:
            found.add(name)
            waiting.extend(nodes[name].inputs)
    return {name: node for name, node in nodes.items() if name in found}


def _complete(recipe: Recipe) -> bool:
    """Whether a path leads from x to the output, linear nodes alone read x, and every state that is read is made."""
    made = {state_number(NEW, node.name) for node in recipe}
    read = {name for node in recipe for name in node.inputs}
    states = {state_number(PREVIOUS, name) for name in read} - {None}
    misread = any(INPUT in node.inputs and node.op != "linear" for node in recipe)
    return reads_input(recipe) and not misread and states <= made


def _broken_rules(recipe: Recipe) -> int:
    """How often a recipe does what the generator never does."""
    operations = {node.name: node.op for node in recipe}
    broken = sum(_breaks(node, operations) for node in recipe)
    read = {name for node in recipe for name in node.inputs}
    states = [index for index in (state_number(NEW, node.name) for node in recipe) if index is not None]
    return broken + (INPUT not in read) + sum(f"{PREVIOUS}{index}" not in read for index in states)


def _breaks(node: Node, operations: Mapping[str, str]) -> bool:
    former = [state_number(PREVIOUS, read) is not None for read in node.inputs]
    if len(set(node.inputs)) < len(node.inputs) or (state_number(NEW, node.name) is not None and any(former)):
        return True
    if node.op == "linear":
        known = all(
            before or read == INPUT or operations.get(read) in ACTIVATIONS for before, read in zip(former, node.inputs)
        )
        return not known or not 2 <= len(node.inputs) <= 3
    if node.op in ACTIVATIONS:
        return operations.get(node.inputs[0]) != "linear"
    return len(node.inputs) > 3


# ------------------------------------------------------------------------------------------------------------ mutation

Nodes = Dict[str, Node]


def _other_operation(nodes: Nodes, rng: np.random.Generator) -> Optional[Nodes]:
    """One activation becomes another, a product a sum or a sum a product."""
    families: Dict[str, Tuple[str, ...]] = {op: family for family in (ACTIVATIONS, PAIRS) for op in family}
    candidates = [name for name, node in nodes.items() if node.op in families]
    if not candidates:
        return None
    node = nodes[_pick(candidates, rng)]
    op = _pick([other for other in families[node.op] if other != node.op], rng)
    return {**nodes, node.name: node._replace(op=op)}


def _other_input(nodes: Nodes, rng: np.random.Generator) -> Optional[Nodes]:
    """One node reads something else in one place."""
    node = nodes[_pick(list(nodes), rng)]
    place = int(rng.integers(len(node.inputs)))
    sources = [name for name in _sources(nodes) if name not in node.inputs and name != node.name]
    if not sources:
        return None
    inputs = [*node.inputs]
    inputs[place] = _pick(sources, rng)
    return {**nodes, node.name: node._replace(inputs=tuple(inputs))}


def _other_count(nodes: Nodes, rng: np.random.Generator) -> Optional[Nodes]:
    """One linear node reads one thing more or one less."""
    candidates = [name for name, node in nodes.items() if node.op == "linear"]
    if not candidates:
        return None
    node = nodes[_pick(candidates, rng)]
    if len(node.inputs) > 2:
        place = int(rng.integers(len(node.inputs)))
        return {**nodes, node.name: node._replace(inputs=node.inputs[:place] + node.inputs[place + 1 :])}
    sources = [name for name in _sources(nodes) if name not in node.inputs and name != node.name]
    return {**nodes, node.name: node._replace(inputs=(*node.inputs, _pick(sources, rng)))} if sources else None


def _added(nodes: Nodes, rng: np.random.Generator) -> Optional[Nodes]:
    """A linear node and its activation, or a node of another kind, comes between a node and what it reads."""
    node = nodes[_pick(list(nodes), rng)]
    place = int(rng.integers(len(node.inputs)))
    fresh = [name for name in (f"node_{i}" for i in range(len(nodes) + 2)) if name not in nodes][:2]
    op = _pick(list(_DRAWS), rng, list(_DRAWS.values()))
    count = int(rng.choice(list(_LINEAR_INPUTS), p=list(_LINEAR_INPUTS.values()))) if op == "linear" else 2
    sources = [name for name in _sources(nodes) if name != node.name and name != node.inputs[place]]
    count = 3 if op == "blend" else count
    if len(nodes) + 1 + (op == "linear") > _NODES or len(sources) < count - 1:
        return None
    inputs = [node.inputs[place], *_some(sources, count - 1, rng)]
    added = {fresh[0]: Node(fresh[0], op, tuple(inputs))}
    if op == "linear":
        added[fresh[1]] = Node(fresh[1], _pick(ACTIVATIONS, rng), (fresh[0],))
    changed = node._replace(inputs=(*node.inputs[:place], list(added)[-1], *node.inputs[place + 1 :]))
    return {**nodes, **added, node.name: changed}


def _taken_out(nodes: Nodes, rng: np.random.Generator) -> Optional[Nodes]:
    """A node (an activation with its linear node) goes; those that read it read one of its inputs instead."""
    candidates = [name for name in nodes if state_number(NEW, name) is None and nodes[name].op != "linear"]
    if not candidates:
        return None
    name = _pick(candidates, rng)
    inputs = nodes[name].inputs
    if nodes[name].op in ACTIVATIONS and inputs[0] in nodes:
        inputs = nodes[inputs[0]].inputs
    names = {name: _pick(inputs, rng)}
    return {other: renamed(node, names) for other, node in nodes.items() if other != name}


def _other_state(nodes: Nodes, rng: np.random.Generator) -> Optional[Nodes]:
    """A new hidden state and another node change places."""
    states = [name for name in nodes if state_number(NEW, name) is not None]
    one, other = _pick(states, rng), _pick(list(nodes), rng)
    names = {one: other, other: one}
    return {names.get(name, name): renamed(node, names) for name, node in nodes.items()}


def _sources(nodes: Nodes) -> List[str]:
    states = sorted(index for index in (state_number(NEW, name) for name in nodes) if index is not None)
    return [INPUT, *(f"{PREVIOUS}{index}" for index in states), *nodes]


_EDITS: Tuple[Callable[[Nodes, np.random.Generator], Optional[Nodes]], ...] = (
    _other_operation,
    _other_input,
    _other_count,
    _added,
    _taken_out,
    _other_state,
)

"""NAS-Bench-NLP (arXiv:2006.07116): recurrent cells from recipes, graphs of seven operations on x and hidden states."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple

import numpy as np
import torch
from torch import nn

from naslib_gennas.errors import InputError, suggest
from naslib_gennas.networks.language_model import WordModel
from naslib_gennas.networks.recurrent import INPUT, NEW, PREVIOUS, Node, RecurrentNetwork, state_number
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces.registry import search_space
from naslib_gennas.spaces.space import SearchSpace

ACTIVATIONS = ("activation_tanh", "activation_sigm", "activation_leaky_relu")
PAIRS = ("elementwise_prod", "elementwise_sum")
OPERATIONS = ("linear", "blend", *PAIRS, *ACTIVATIONS)
STATES = 3

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

#: A recipe's nodes, each after those that it reads.
Recipe = Tuple[Node, ...]

_EXAMPLE = json.dumps(
    {
        "node_0": {"op": "linear", "input": ["x", "h_prev_0"]},
        "h_new_0": {"op": "activation_tanh", "input": ["node_0"]},
    }
)


@dataclass(frozen=True)
class RecurrentSize:
    """How large a recurrent network is built: features of embedding and hidden states, layers."""

    embedding: int
    hidden: int
    layers: int


@search_space("nasbenchnlp", also=["nlp"])
class NasBenchNLP(SearchSpace[Recipe]):
    """The search space of NAS-Bench-NLP; an architecture is the tuple of its recipe's nodes."""

    kind = "rnn"
    stages = 1
    notation = f"JSON of a recipe: {_EXAMPLE}"
    mutation = "one node gets another operation, input or place, or a node is added or taken out"
    paper_size = RecurrentSize(embedding=400, hidden=600, layers=3)  # type: ignore[assignment]
    # Words of the Penn Treebank, and the length of its sequences in training.
    published_classes = 10000
    published_resolution = 35

    def sample(self, rng: np.random.Generator) -> Recipe:
        """A recipe by the benchmark's generator, drawn again until x and all hidden states are used."""
        states = 1 + int(rng.choice(STATES, p=_STATE_SHARES))
        while True:
            recipe = _generate(states, rng)
            if _broken_rules(recipe) == 0:
                return recipe

    def mutate(self, arch: Recipe, rng: np.random.Generator) -> Recipe:
        """A neighbour that breaks no more of the generator's rules than `arch` does."""
        key, broken = self.key(arch), _broken_rules(arch)
        while True:
            edit = _EDITS[int(rng.integers(len(_EDITS)))]
            nodes = edit({node.name: node for node in arch}, rng)
            recipe = None if nodes is None else _ordered(_needed(nodes))
            if recipe and _complete(recipe) and _broken_rules(recipe) <= broken and self.key(recipe) != key:
                return recipe

    def key(self, arch: Recipe) -> str:
        """The recipe's graph in an order that node names, and the order of equals, do not change.

        Nodes that do not reach the output, which is the first hidden state, are left out.
        """
        return _canonical(_live(arch))

    def parse(self, text: Any) -> Recipe:
        """A recipe from JSON text or from the mapping that it stands for.

        NASLib's encoding of these cells, (edges, operations, hidden states), is understood too.
        """
        if isinstance(text, (tuple, list)):
            if text and all(isinstance(node, Node) for node in text):
                text = _plain(text)
            elif len(text) == 3:
                text = _from_compact(text)
        if isinstance(text, str):
            try:
                text = json.loads(text, object_pairs_hook=_once)
            except json.JSONDecodeError as error:
                raise InputError(f"nasbenchnlp: the recipe is not JSON: {error}; one looks like {_EXAMPLE}") from None
        if not isinstance(text, Mapping) or not text:
            raise InputError(f"nasbenchnlp: {_short(text)} is not a recipe; one looks like {_EXAMPLE}")
        return _checked([_node(str(name), content) for name, content in text.items()])

    def format(self, arch: Recipe) -> str:
        return json.dumps(_plain(arch))

    def build(self, arch: Recipe, size: RecurrentSize) -> RecurrentNetwork:
        return RecurrentNetwork(_live(arch), size.embedding, size.hidden, size.layers)

    def size(self, profile: Profile) -> RecurrentSize:
        paper: Any = self.paper_size
        return RecurrentSize(
            embedding=max(1, round(paper.embedding * profile.width)),
            hidden=max(1, round(paper.hidden * profile.width)),
            layers=profile.layers or paper.layers,
        )

    def published(self, arch: Recipe, classes: Optional[int] = None, resolution: Optional[int] = None) -> nn.Module:
        """The language model (arXiv:2006.07116, section 4): 10,000 words, embeddings of 400, three layers of 600.

        Words (length, sequences) to scores of the next word (length, sequences, words); `classes` are the words.
        """
        size: Any = self.paper_size
        return WordModel(self.build(arch, size), classes or self.published_classes, (self.name, arch))

    def example(self, count: int = 1, resolution: Optional[int] = None) -> torch.Tensor:
        """Words: (length, count); the length is 35, as in the benchmark's trainings, or `resolution`."""
        return torch.randint(self.published_classes, (resolution or self.published_resolution, count))

    def untrainable(self, arch: Recipe) -> Optional[str]:
        used = any(INPUT in node.inputs for node in _live(arch))
        return None if used else f"no path leads from {INPUT} to {NEW}0"


# ------------------------------------------------------------------------------------------------------------- reading


def _node(name: str, content: Any) -> Node:
    where = f"nasbenchnlp: node '{name}'"
    if name == INPUT or state_number(PREVIOUS, name) is not None:
        raise InputError(f"{where} has the name of an input of the cell; nodes are called node_0, {NEW}0, ...")
    if not isinstance(content, Mapping) or not {"op", "input"} <= set(content):
        raise InputError(f'{where} must hold "op" and "input", as in {{"op": "linear", "input": ["x", "h_prev_0"]}}')
    op, inputs = content["op"], content["input"]
    if op not in OPERATIONS:
        raise InputError(f"{where} has the unknown operation '{op}'{suggest(str(op), OPERATIONS)}")
    if not isinstance(inputs, (list, tuple)) or not all(isinstance(name, str) for name in inputs):
        raise InputError(f'{where}: "input" is {_short(inputs)}; it takes a list of names of nodes')
    count = len(inputs)
    wanted = "one input" if op in ACTIVATIONS else "three inputs" if op == "blend" else "two inputs"
    if (op in ACTIVATIONS and count != 1) or (op == "blend" and count != 3) or (op in PAIRS and count < 2):
        raise InputError(f"{where}: {op} takes {wanted}, not {count}")
    if not inputs:
        raise InputError(f"{where}: linear takes at least one input")
    if INPUT in inputs and op != "linear":
        raise InputError(f"{where}: {op} reads {INPUT}, which only linear nodes can read")
    return Node(name, op, tuple(inputs))


def _checked(nodes: Sequence[Node]) -> Recipe:
    """The nodes in order, after a look at what each reads."""
    names = {node.name for node in nodes}
    states = {state for state in (state_number(NEW, name) for name in names) if state is not None}
    if not states:
        raise InputError(f"nasbenchnlp: the recipe has no node {NEW}0, the new hidden state and output")
    last = max(states)
    if last >= STATES:
        raise InputError(f"nasbenchnlp: node '{NEW}{last}' is too many; a cell has up to {STATES} hidden states")
    for state in range(last):
        if state not in states:
            raise InputError(f"nasbenchnlp: the recipe has a node {NEW}{last} but no node {NEW}{state}")
    for node in nodes:
        for read in node.inputs:
            former = state_number(PREVIOUS, read)
            if former is not None and former not in states:
                raise InputError(f"nasbenchnlp: node '{node.name}' reads {read}, but no node {NEW}{former} makes it")
            if former is None and read != INPUT and read not in names:
                raise InputError(
                    f"nasbenchnlp: node '{node.name}' reads '{read}', which is no node of the recipe"
                    f"{suggest(read, names)}"
                )
    recipe = _ordered({node.name: node for node in nodes})
    if recipe is None:
        loop = " -> ".join(_cycle({node.name: node for node in nodes}))
        raise InputError(f"nasbenchnlp: the nodes {loop} form a cycle; only {PREVIOUS}0, ... lead back in time")
    return recipe


def _ordered(nodes: Mapping[str, Node]) -> Optional[Recipe]:
    """The nodes, each after those that it reads and otherwise in the order given; None where there is a cycle."""
    placed: Dict[str, Node] = {}
    waiting = list(nodes.values())
    while waiting:
        later = []
        for node in waiting:
            ready = all(read in placed or read not in nodes for read in node.inputs)
            if ready:
                placed[node.name] = node
            else:
                later.append(node)
        if len(later) == len(waiting):
            return None
        waiting = later
    return tuple(placed.values())


def _cycle(nodes: Mapping[str, Node]) -> List[str]:
    """The names along one cycle of a graph that has one, the first again at the end."""
    left = dict(nodes)
    while True:
        ends = [name for name, node in left.items() if not any(read in left for read in node.inputs)]
        if not ends:
            break
        for name in ends:
            del left[name]
    path = [next(iter(left))]
    while path[-1] not in path[:-1]:
        path.append(next(read for read in left[path[-1]].inputs if read in left))
    loop = path[path.index(path[-1]) :]
    return loop[::-1]


def _once(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    """A JSON object as a mapping; a name that comes twice would silently lose a node."""
    names: Set[str] = set()
    for name, _ in pairs:
        if name in names:
            raise InputError(f"nasbenchnlp: '{name}' is in the recipe twice")
        names.add(name)
    return dict(pairs)


def _from_compact(content: Sequence[Any]) -> Dict[str, Any]:
    """The recipe of NASLib's encoding: edges between numbers, an operation's number each, the hidden states' numbers.

    Numbers 0 to 3 are x and the three former hidden states.
    """
    order = ("in", "activation_sigm", "activation_tanh", "activation_leaky_relu", *PAIRS[::-1], "linear", "blend")
    try:
        edges, operations, hidden = ([*part] for part in content)
        fixed = [INPUT, *(f"{PREVIOUS}{i}" for i in range(STATES))]
        names = {index: name for index, name in enumerate(fixed)}
        names.update({index: f"node_{index - len(fixed)}" for index in range(len(fixed), len(operations))})
        names.update({int(index): f"{NEW}{i}" for i, index in enumerate(hidden)})
        reads: Dict[int, List[str]] = {index: [] for index in range(len(fixed), len(operations))}
        for source, target in edges:
            reads[target].append(names[source])
        return {names[index]: {"op": order[operations[index]], "input": inputs} for index, inputs in reads.items()}
    except (TypeError, ValueError, KeyError, IndexError):
        raise InputError(f"nasbenchnlp: {_short(content)} is not (edges, operations, hidden states)") from None


def _plain(recipe: Sequence[Node]) -> Dict[str, Any]:
    return {node.name: {"op": node.op, "input": list(node.inputs)} for node in recipe}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


# ----------------------------------------------------------------------------------------------------------- structure


def _live(recipe: Recipe) -> Recipe:
    """The nodes that the output depends on, over any number of time steps; its hidden states numbered without gaps."""
    nodes = {node.name: node for node in recipe}
    found: Set[str] = set()
    waiting = [f"{NEW}0"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for read in nodes[name].inputs:
            index = state_number(PREVIOUS, read)
            waiting.append(read if index is None else f"{NEW}{index}")
        waiting = [name for name in waiting if name in nodes]
    states = [index for index in range(STATES) if f"{NEW}{index}" in found]
    names = {f"{prefix}{old}": f"{prefix}{new}" for new, old in enumerate(states) for prefix in (NEW, PREVIOUS)}
    return tuple(_renamed(node, names) for node in recipe if node.name in found)


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    return Node(names.get(node.name, node.name), node.op, tuple(names.get(read, read) for read in node.inputs))


def _canonical(recipe: Recipe) -> str:
    """The graph written down in an order of its own.

    Colours of the vertices are refined by their neighbours'; where that leaves equals, each is tried as the first.
    """
    reads: Dict[str, List[Tuple[str, str]]] = {INPUT: []}
    colour: Dict[str, Any] = {INPUT: (0, "x")}
    for node in recipe:
        ordered = node.op == "blend"
        reads[node.name] = [(str(place) if ordered else "", read) for place, read in enumerate(node.inputs)]
        colour[node.name] = (2, f"{node.op}{'!' if node.name == NEW + '0' else ''}")
        index = state_number(NEW, node.name)
        if index is not None:
            reads[f"{PREVIOUS}{index}"] = [("then", node.name)]
            colour[f"{PREVIOUS}{index}"] = (1, "state")
    readers: Dict[str, List[Tuple[str, str]]] = {name: [] for name in reads}
    for name, sources in reads.items():
        for label, source in sources:
            readers[source].append((label, name))
    kinds = dict(colour)

    def text(colours: Mapping[str, int]) -> str:
        lines = []
        for name in sorted(colours, key=lambda vertex: colours[vertex]):
            sources = [(label, colours[source]) for label, source in reads[name]]
            lines.append(f"{kinds[name][1]}({','.join(str(number) for _, number in sorted(sources))})")
        return ";".join(lines)

    def best(colours: Mapping[str, Any]) -> str:
        refined = _refine(colours, reads, readers)
        groups: Dict[int, List[str]] = {}
        for name, value in refined.items():
            groups.setdefault(value, []).append(name)
        equals = next((groups[value] for value in sorted(groups) if len(groups[value]) > 1), None)
        if equals is None:
            return text(refined)
        # Those that read the same and are read by the same can be swapped: one of them is enough.
        tried = {(frozenset(reads[name]), frozenset(readers[name])): name for name in equals}
        return min(best({**refined, name: refined[name] - 0.5}) for name in tried.values())

    return best(colour)


def _refine(
    colours: Mapping[str, Any],
    reads: Mapping[str, List[Tuple[str, str]]],
    readers: Mapping[str, List[Tuple[str, str]]],
) -> Dict[str, int]:
    """Number the colours, and tell vertices apart by their neighbours' numbers until that changes nothing."""
    numbers = _ranks(colours)
    while True:
        signatures = {
            name: (
                number,
                sorted((label, numbers[other]) for label, other in reads[name]),
                sorted((label, numbers[other]) for label, other in readers[name]),
            )
            for name, number in numbers.items()
        }
        finer = _ranks(signatures)
        if len(set(finer.values())) == len(set(numbers.values())):
            return finer
        numbers = finer


def _ranks(values: Mapping[str, Any]) -> Dict[str, int]:
    order: List[Any] = []
    for value in sorted(values.values()):
        if not order or order[-1] != value:
            order.append(value)
    return {name: order.index(value) for name, value in values.items()}


# ------------------------------------------------------------------------------------------------ the generator's rules


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
    recipe = _ordered(_needed({names.get(name, name): _renamed(node, names) for name, node in nodes.items()}))
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
    """Whether x is read, by linear nodes alone, and every former hidden state that is read is made."""
    made = {state_number(NEW, node.name) for node in recipe}
    read = {name for node in recipe for name in node.inputs}
    states = {state_number(PREVIOUS, name) for name in read} - {None}
    misread = any(INPUT in node.inputs and node.op != "linear" for node in recipe)
    return INPUT in read and not misread and states <= made


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
    return {other: _renamed(node, names) for other, node in nodes.items() if other != name}


def _other_state(nodes: Nodes, rng: np.random.Generator) -> Optional[Nodes]:
    """A new hidden state and another node change places."""
    states = [name for name in nodes if state_number(NEW, name) is not None]
    one, other = _pick(states, rng), _pick(list(nodes), rng)
    names = {one: other, other: one}
    return {names.get(name, name): _renamed(node, names) for name, node in nodes.items()}


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

"""The graph of a recipe of NAS-Bench-NLP: its order, the part that is alive, and a form that isomorphic ones share."""

from __future__ import annotations

from typing import Any, Dict, Hashable, List, Mapping, Optional, Set, Tuple

from naslib_gennas.networks.recurrent import INPUT, NEW, PREVIOUS, Node, state_number
from naslib_gennas.networks.subtrees import subtrees

ACTIVATIONS = ("activation_tanh", "activation_sigm", "activation_leaky_relu")
PAIRS = ("elementwise_prod", "elementwise_sum")
OPERATIONS = ("linear", "blend", *PAIRS, *ACTIVATIONS)
STATES = 3

#: A recipe's nodes, each after those that it reads.
Recipe = Tuple[Node, ...]


def ordered(nodes: Mapping[str, Node]) -> Optional[Recipe]:
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


def live(recipe: Recipe) -> Recipe:
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
    return tuple(renamed(node, names) for node in recipe if node.name in found)


def reads_input(recipe: Recipe) -> bool:
    """Whether a path leads from x to the output, over any number of time steps."""
    return any(INPUT in node.inputs for node in live(recipe))


def renamed(node: Node, names: Mapping[str, str]) -> Node:
    return Node(names.get(node.name, node.name), node.op, tuple(names.get(read, read) for read in node.inputs))


def features(recipe: Recipe) -> Mapping[Hashable, int]:
    """Subtrees of the graph (see `subtrees`): its nodes, x, and each former hidden state beside the new one."""
    labels: Dict[Hashable, str] = {INPUT: INPUT}
    edges: List[Tuple[Hashable, Hashable]] = []
    for node in recipe:
        labels[node.name] = f"{node.op}, output" if node.name == f"{NEW}0" else node.op
        index = state_number(NEW, node.name)
        if index is not None:
            labels[f"{PREVIOUS}{index}"] = "state"
            edges.append((f"{PREVIOUS}{index}", node.name))
        edges += [(read, node.name) for read in node.inputs]
    return subtrees(labels, edges)


def canonical(recipe: Recipe) -> str:
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

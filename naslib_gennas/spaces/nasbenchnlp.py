"""NAS-Bench-NLP (arXiv:2006.07116): recurrent cells from recipes, graphs of seven operations on x and hidden states."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, Hashable, List, Mapping, Optional, Sequence

import numpy as np
import torch
from torch import nn

from naslib_gennas import reading
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.networks.language_model import WordModel
from naslib_gennas.networks.recurrent import INPUT, NEW, PREVIOUS, Node, RecurrentNetwork, state_number
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces import nasbenchnlp_edits
from naslib_gennas.spaces.nasbenchnlp_graphs import (
    ACTIVATIONS,
    OPERATIONS,
    PAIRS,
    STATES,
    Recipe,
    canonical,
    features,
    live,
    ordered,
    reads_input,
)
from naslib_gennas.spaces.registry import search_space
from naslib_gennas.spaces.space import SearchSpace

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


_MOST_NODES = 200  # of a recipe; the benchmark's have up to about 30


@search_space("nasbenchnlp", also=["nlp"])
class NasBenchNLP(SearchSpace[Recipe]):
    """The search space of NAS-Bench-NLP; an architecture is the tuple of its recipe's nodes."""

    kind = "rnn"
    stages = 1
    notation = f"JSON of a recipe: {_EXAMPLE}"
    mutation = "one node gets another operation, input or place, or a node is added or taken out"
    paper_children = "nearest-of-200"
    # Test log perplexity of the best LSTM that the benchmark's authors trained (arXiv:2006.07116, section 6).
    references = {"ptb_test_loss": ("the best LSTM", 4.36)}
    paper_size = RecurrentSize(embedding=400, hidden=600, layers=3)  # type: ignore[assignment]
    # Words of the Penn Treebank, and the length of its sequences in training.
    published_classes = 10000
    published_resolution = 35

    def sample(self, rng: np.random.Generator) -> Recipe:
        return nasbenchnlp_edits.sample(rng)

    def mutate(self, arch: Recipe, rng: np.random.Generator) -> Recipe:
        return nasbenchnlp_edits.mutate(arch, rng)

    def features(self, arch: Recipe) -> Mapping[Hashable, int]:
        """Subtrees of the graph of the nodes that reach the output."""
        return features(live(arch))

    def key(self, arch: Recipe) -> str:
        """The recipe's graph in an order that node names, and the order of equals, do not change.

        Nodes that do not reach the output, which is the first hidden state, are left out.
        """
        return canonical(live(arch))

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
            text = reading.from_json(text, "nasbenchnlp", _EXAMPLE)
        if not isinstance(text, Mapping) or not text:
            raise InputError(f"nasbenchnlp: {_short(text)} is not a recipe; one looks like {_EXAMPLE}")
        if len(text) > _MOST_NODES:
            raise InputError(f"nasbenchnlp: the recipe has {len(text)} nodes; it takes at most {_MOST_NODES}")
        return _checked([_node(str(name), content) for name, content in text.items()])

    def format(self, arch: Recipe) -> str:
        return json.dumps(_plain(arch))

    def build(self, arch: Recipe, size: RecurrentSize) -> RecurrentNetwork:
        return RecurrentNetwork(live(arch), size.embedding, size.hidden, size.layers)

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
        return None if reads_input(arch) else f"no path leads from {INPUT} to {NEW}0"


# ------------------------------------------------------------------------------------------------------------- reading


def _node(name: str, content: Any) -> Node:
    where = f"nasbenchnlp: node '{name}'"
    if name == INPUT or state_number(PREVIOUS, name) is not None:
        raise InputError(f"{where} has the name of an input of the cell; nodes are called node_0, {NEW}0, ...")
    if not isinstance(content, Mapping) or not {"op", "input"} <= set(content):
        raise InputError(f'{where} must hold "op" and "input", as in {{"op": "linear", "input": ["x", "h_prev_0"]}}')
    op, inputs = content["op"], content["input"]
    if not isinstance(op, str) or op not in OPERATIONS:
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
    recipe = ordered({node.name: node for node in nodes})
    if recipe is None:
        loop = " -> ".join(_cycle({node.name: node for node in nodes}))
        raise InputError(f"nasbenchnlp: the nodes {loop} form a cycle; only {PREVIOUS}0, ... lead back in time")
    return recipe


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
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        raise InputError(f"nasbenchnlp: {_short(content)} is not (edges, operations, hidden states)") from None


def _plain(recipe: Sequence[Node]) -> Dict[str, Any]:
    return {node.name: {"op": node.op, "input": list(node.inputs)} for node in recipe}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."

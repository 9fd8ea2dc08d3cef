"""Weisfeiler-Lehman features of a graph: how often each subtree occurs, as graph2vec (arXiv:1707.05005) embeds them."""

from __future__ import annotations

from collections import Counter
from typing import Hashable, Iterable, Mapping, Tuple

#: How far subtrees reach, in edges.
DEPTH = 3


def subtrees(labels: Mapping[Hashable, str], edges: Iterable[Tuple[Hashable, Hashable]]) -> Counter[Hashable]:
    """The subtrees of up to three edges around the vertices of a graph, and how often each occurs.

    Graphs with many subtrees in common look alike; isomorphic ones have the same.

    Args:
        labels: of each vertex.
        edges: pairs of vertices; their direction does not count, as in graph2vec.

    Returns:
        How often each occurs: a vertex alone by its label, a larger one by the hash that networkx gives it.
    """
    import networkx  # when used: it takes a while

    graph = networkx.Graph()
    for vertex, label in labels.items():
        graph.add_node(vertex, label=label)
    graph.add_edges_from(edges)
    hashes = networkx.weisfeiler_lehman_subgraph_hashes(graph, node_attr="label", iterations=DEPTH)
    return Counter([*labels.values(), *(one for found in hashes.values() for one in found)])

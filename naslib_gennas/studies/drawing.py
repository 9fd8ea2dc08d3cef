"""A picture of an architecture as SVG: its cells as graphs, or its stages in a column, with what the network costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import networkx as nx
from torch import nn

from naslib_gennas.networks.cells import CellPlan, Genotype, live_edges
from naslib_gennas.networks.nasbench201 import EDGES, used_edges
from naslib_gennas.spaces.space import SearchSpace

# Pixels: height of a box, room between rows and columns, width of a letter, margin.
BOX, ROW, COLUMN, LETTER, MARGIN = 26, 26, 18, 7.2, 20
# Light fills that stay apart in grey and for the colour-blind; what a box is, its text says.
FILLS = {"input": "#ffffff", "output": "#ffffff", "sum": "#ffffff", "skip": "#ffffff", "other": "#e8e8e8"}
FILLS.update({"convolution": "#cfe3f5", "separable": "#b5dcc8", "pooling": "#fbe3b6", "gate": "#f3d3e3"})


@dataclass
class Graph:
    """A directed graph of boxes.

    Attributes:
        title: what stands above it.
        boxes: each box's text and kind, one of `FILLS`.
        edges: from box to box, in the direction of the data.
    """

    title: str
    boxes: Dict[str, Tuple[str, str]] = field(default_factory=dict)
    edges: List[Tuple[str, str]] = field(default_factory=list)

    def box(self, name: str, text: str, kind: str, *sources: str) -> None:
        """Add a box and the edges that lead to it."""
        self.boxes[name] = (text, kind)
        self.edges += [(source, name) for source in sources]

    def sum(self, name: str, sources: Sequence[str]) -> str:
        """Add the sum of boxes, and give the name to read it by; a sum of one is that box itself."""
        if len(sources) == 1:
            return sources[0]
        self.box(name, "+", "sum", *sources)
        return name


def draw(space: SearchSpace[Any], arch: Any, network: nn.Module, caption: Sequence[str] = ()) -> str:
    """The SVG of an architecture.

    Args:
        space, arch: what is drawn; for a space that has no cells, the parts of its network in a column.
        network: of `arch`.
        caption: lines of text below it.
    """
    return svg(graphs(space, arch, network), caption)


# -------------------------------------------------------------------------------------------- architectures as graphs


def graphs(space: SearchSpace[Any], arch: Any, network: nn.Module) -> List[Graph]:
    """The graphs that show an architecture, one a cell."""
    name = space.name
    genotype = getattr(arch, "genotype", arch)
    if isinstance(genotype, Genotype):
        return [_two_inputs("normal cell", genotype.normal), _two_inputs("reduction cell", genotype.reduce)]
    if name == "nasbench201":
        return [_four_nodes(arch)]
    if name == "transnas-micro":
        from naslib_gennas.spaces.transnas import OPERATIONS

        return [_four_nodes([OPERATIONS[digit] for digit in arch])]
    if name == "nasbench101":
        from naslib_gennas.spaces.nasbench101 import prune

        cell = prune(arch)
        return [_vertices(cell.matrix, cell.ops)]
    if name == "nasbenchnlp":
        return [_recipe(arch)]
    if name == "nats-size":
        first, second, third, fourth, last = arch
        parts = [f"cell, {first}", f"residual block, {second}", f"cell, {third}", f"residual block, {fourth}"]
        return [_column("channels", ["3x3 stem", *parts, f"cell, {last}"])]
    if name == "transnas-macro":
        meanings = ("", "keeps both", "2 x channels", "resolution / 2", "2 x channels, resolution / 2")
        return [_column("modules of residual blocks", ["stem", *(meanings[digit] for digit in arch)])]
    if hasattr(arch, "stages") and hasattr(arch, "block"):
        return [_column(arch.block.replace("_", " "), ["stem", *(_stage(plan) for plan in arch.stages)])]
    return [_modules(network)]


def _four_nodes(operations: Sequence[str]) -> Graph:
    """NAS-Bench-201's cell: operations on the edges of four nodes."""
    graph = Graph("cell")
    graph.box("0", "input", "input")
    edges, node = used_edges(operations), {0: "0"}
    for target in (1, 2, 3):
        sources = []
        for index in (index for index in edges if EDGES[index][1] == target):
            name = operations[index]
            graph.box(f"edge {index}", name, _kind(name), node[EDGES[index][0]])
            sources.append(f"edge {index}")
        if sources:
            node[target] = graph.sum(f"{target}", sources)
    graph.box("output", "output", "output", node[3])
    return graph


def _two_inputs(title: str, plan: CellPlan) -> Graph:
    """A cell with two inputs, whose nodes add two operations each."""
    graph = Graph(title)
    edges, inputs = live_edges(plan)
    for number, text in ((0, "cell k-2"), (1, "cell k-1")):
        if number in inputs:
            graph.box(f"node {number}", text, "input")
    node = {0: "node 0", 1: "node 1"}
    for target in range(2, 2 + len(plan.edges) // 2):
        sources = []
        for index in (index for index in edges if 2 + index // 2 == target):
            name, source = plan.edges[index]
            graph.box(f"edge {index}", name, _kind(name), node[source])
            sources.append(f"edge {index}")
        if sources:
            node[target] = graph.sum(f"node {target}", sources)
    absent = sum(number not in node for number in plan.concat)
    if absent:
        graph.box("zeros", f"{absent} x zeros", "other")
    joined = [node[number] for number in plan.concat if number in node]
    graph.box("output", "concatenate", "output", *dict.fromkeys([*joined, *["zeros"] * bool(absent)]))
    return graph


def _vertices(matrix: Sequence[Sequence[int]], operations: Sequence[str]) -> Graph:
    """NAS-Bench-101's cell: operations on the vertices."""
    graph = Graph("cell")
    for vertex, name in enumerate(operations):
        sources = [str(source) for source in range(vertex) if matrix[source][vertex]]
        graph.box(str(vertex), name, _kind(name), *sources)
    return graph


def _recipe(recipe: Sequence[Any]) -> Graph:
    """A recurrent cell: hidden states of the time step before on top, the new ones below."""
    graph = Graph("recurrent cell")
    for source in sorted({source for node in recipe for source in node.inputs} - {node.name for node in recipe}):
        graph.box(source, source, "input")
    for node in recipe:
        text = node.op.replace("activation_", "").replace("elementwise_", "")
        new = node.name.startswith("h_new_")
        kind = {"linear": "convolution", "blend": "gate", "sum": "sum", "prod": "sum"}.get(text, "pooling")
        graph.box(node.name, f"{node.name} = {text}" if new else text, kind, *dict.fromkeys(node.inputs))
    return graph


def _stage(plan: Any) -> str:
    parts = [f"{plan.depth} x {plan.width} channels"]
    parts += [f"stride {plan.stride}"] if plan.stride > 1 else []
    parts += [f"bottleneck {plan.middle}"] if plan.middle != plan.width else []
    return ", ".join([*parts, *([f"{plan.groups} groups"] if plan.groups > 1 else [])])


def _column(title: str, texts: Sequence[str]) -> Graph:
    graph = Graph(title)
    graph.box("0", "images", "input")
    for place, text in enumerate([*texts, "classifier"], start=1):
        graph.box(str(place), text, "output" if text == "classifier" else "convolution", str(place - 1))
    return graph


def _modules(network: nn.Module) -> Graph:
    """The parts of any module in the order in which it holds them, with their parameters."""
    graph = Graph(type(network).__name__)
    graph.box("0", "input", "input")
    place = 0
    for name, module in network.named_children():
        count = sum(parameter.numel() for parameter in module.parameters())
        place += 1
        text = f"{name}: {type(module).__name__}" + (f", {count:,} parameters" if count else "")
        graph.box(str(place), text, "convolution" if count else "other", str(place - 1))
    return graph


def _kind(operation: str) -> str:
    if operation in ("input", "output"):
        return operation
    for start, kind in (("skip", "skip"), ("sep", "separable"), ("dil", "separable"), ("avg", "pooling")):
        if operation.startswith(start):
            return kind
    return "pooling" if operation.startswith("max") else "convolution"


# -------------------------------------------------------------------------------------------------- graphs as a picture


def svg(pictures: Sequence[Graph], caption: Sequence[str] = ()) -> str:
    """Graphs side by side, as an SVG document on white."""
    parts, x, height = [], float(MARGIN), 0.0
    for graph in pictures:
        drawn, wide, high = _drawn(graph, x, MARGIN + 24)
        parts.append(_text(x + wide / 2, MARGIN + 6, graph.title, "bold"))
        parts += drawn
        x, height = x + wide + 2 * MARGIN, max(height, high)
    width, top = x - MARGIN, MARGIN + 24 + height
    # The caption may be wider than the graphs.
    width = max(width, 2 * MARGIN + max((len(line) * LETTER for line in caption), default=0.0))
    for row, line in enumerate(caption):
        parts.append(_text(MARGIN, top + MARGIN + 17 * row, line, anchor="start"))
    total = top + MARGIN + 17 * len(caption)
    about = escape("; ".join([*(graph.title for graph in pictures), *caption]))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{total:.0f}" '
            f'viewBox="0 0 {width:.0f} {total:.0f}" font-size="12" font-family="Helvetica, '
            'Arial, sans-serif" role="img">',
            f"<title>{about}</title>",
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0 0.5 L8 4 L0 7.5 z" fill="#444"/></marker></defs>',
            f'<rect width="{width:.0f}" height="{total:.0f}" fill="#fff"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _drawn(graph: Graph, left: float, top: float) -> Tuple[List[str], float, float]:
    """The elements of a graph, its width and its height."""
    rows, paths = _rows(graph)
    width = {name: _width(graph.boxes[name][0]) if name in graph.boxes else 8.0 for row in rows for name in row}
    across = _across(rows, _pairs(paths), width)
    farthest = min(across[name] - width[name] / 2 for row in rows for name in row)
    wide = max(across[name] + width[name] / 2 for row in rows for name in row) - farthest
    shift = left - farthest + max(0.0, (len(graph.title) * LETTER - wide) / 2)
    place = {name: (across[name] + shift, top + row * (BOX + ROW)) for row, names in enumerate(rows) for name in names}
    wide = max(wide, len(graph.title) * LETTER)
    parts = [_curve([place[name] for name in path], [name in graph.boxes for name in path]) for path in paths]
    for name, (text, kind) in graph.boxes.items():
        x, y = place[name]
        radius = BOX / 2 if kind in ("sum", "input", "output") else 5
        dashes = ' stroke-dasharray="4 3"' if kind == "skip" else ""
        parts.append(
            f'<rect x="{x - width[name] / 2:.1f}" y="{y:.1f}" width="{width[name]:.1f}" height="{BOX}" rx="{radius:g}" '
            f'fill="{FILLS[kind]}" stroke="#444"{dashes}/>'
        )
        parts.append(_text(x, y + BOX / 2 + 4, text))
    return parts, wide, len(rows) * (BOX + ROW) - ROW


def _rows(graph: Graph) -> Tuple[List[List[str]], List[List[str]]]:
    """The boxes in rows from top to bottom, with a place in every row that a long edge crosses; the edges' paths."""
    directed = nx.DiGraph(graph.edges)
    directed.add_nodes_from(graph.boxes)
    level = {name: row for row, names in enumerate(nx.topological_generations(directed)) for name in names}
    for name in list(nx.topological_sort(directed))[::-1]:
        below = [level[after] for after in directed.successors(name)]
        # What nothing needs earlier comes right above where it is needed.
        if below and not (directed.in_degree(name) == 0 and graph.boxes[name][1] == "input"):
            level[name] = min(below) - 1
    rows: List[List[str]] = [[] for _ in range(max(level.values()) + 1)]
    for name in graph.boxes:
        rows[level[name]].append(name)
    paths = []
    for number, (source, target) in enumerate(graph.edges):
        between = [f"{number}.{row}" for row in range(level[source] + 1, level[target])]
        for row, name in enumerate(between, start=level[source] + 1):
            rows[row].append(name)
        paths.append([source, *between, target])
    return _untangled(rows, _pairs(paths)), paths


def _pairs(paths: Sequence[Sequence[str]]) -> List[Tuple[str, str]]:
    return [pair for path in paths for pair in zip(path, path[1:])]


def _untangled(rows: List[List[str]], pairs: Sequence[Tuple[str, str]], sweeps: int = 8) -> List[List[str]]:
    """The rows in the order of the fewest crossings that sweeps by the neighbours' mean places find."""
    beside: Dict[str, List[str]] = {}
    for one, other in pairs:
        beside.setdefault(one, []).append(other)
        beside.setdefault(other, []).append(one)
    best = [list(row) for row in rows]
    for sweep in range(sweeps):
        down = sweep % 2 == 0
        numbers = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
        for number in numbers:
            known = rows[number - 1] if down else rows[number + 1]
            place = {name: (index + 0.5) / len(known) for index, name in enumerate(known)}
            mean: Dict[str, float] = {}
            for index, name in enumerate(rows[number]):
                near = [place[other] for other in beside.get(name, []) if other in place]
                mean[name] = sum(near) / len(near) if near else (index + 0.5) / len(rows[number])
            rows[number] = sorted(rows[number], key=mean.__getitem__)
        if _crossings(rows, pairs) < _crossings(best, pairs):
            best = [list(row) for row in rows]
    return best


def _across(
    rows: Sequence[Sequence[str]], pairs: Sequence[Tuple[str, str]], width: Mapping[str, float], sweeps: int = 30
) -> Dict[str, float]:
    """Where the middle of each box is from left to right: near its neighbours' mean, in the order of its row."""
    beside: Dict[str, List[str]] = {}
    for one, other in pairs:
        beside.setdefault(one, []).append(other)
        beside.setdefault(other, []).append(one)
    x: Dict[str, float] = {}
    for row in rows:
        x.update(_spread(row, {name: 0.0 for name in row}, width))
    for sweep in range(sweeps):
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            near = {name: [x[other] for other in beside.get(name, [])] or [x[name]] for name in row}
            x.update(_spread(row, {name: sum(places) / len(places) for name, places in near.items()}, width))
    return x


def _spread(row: Sequence[str], wanted: Mapping[str, float], width: Mapping[str, float]) -> Dict[str, float]:
    """Places as near to the wanted ones as boxes that do not touch allow: those that would touch move as a group."""
    groups: List[Tuple[List[str], float]] = []  # boxes side by side, and where the first one's middle is
    for name in row:
        group, start = [name], wanted[name]
        while groups and start < groups[-1][1] + _reach(groups[-1][0] + group[:1], width)[-1]:
            group = groups.pop()[0] + group
            reach = _reach(group, width)
            start = sum(wanted[one] - offset for one, offset in zip(group, reach)) / len(group)
        groups.append((group, start))
    return {name: start + offset for group, start in groups for name, offset in zip(group, _reach(group, width))}


def _reach(group: Sequence[str], width: Mapping[str, float]) -> List[float]:
    """How far each box of a group is from its first one."""
    places = [0.0]
    for one, other in zip(group, group[1:]):
        places.append(places[-1] + (width[one] + width[other]) / 2 + COLUMN)
    return places


def _crossings(rows: Sequence[Sequence[str]], pairs: Sequence[Tuple[str, str]]) -> int:
    place = {name: (number, index) for number, row in enumerate(rows) for index, name in enumerate(row)}
    spans = [(place[one], place[other][1]) for one, other in pairs]
    return sum(
        a[0] == b[0] and (a[1] - b[1]) * (a_end - b_end) < 0
        for number, (a, a_end) in enumerate(spans)
        for b, b_end in spans[:number]
    )


def _width(text: str) -> float:
    return max(BOX, len(text) * LETTER + 16)


def _curve(points: Sequence[Tuple[float, float]], boxes: Sequence[bool]) -> str:
    """A line from the lower side of the first box to the upper side of the last one, past what lies between."""
    x, y = points[0]
    text = f"M{x:.1f} {y + BOX:.1f}"
    for (x, y), (to_x, to_y), box in zip(points, points[1:], boxes[1:]):
        start, half = y + BOX, (to_y - y - BOX) / 2
        text += f" C{x:.1f} {start + half:.1f} {to_x:.1f} {to_y - half:.1f} {to_x:.1f} {to_y:.1f}"
        # Where it passes a row it goes straight down between the boxes.
        text += "" if box else f" L{to_x:.1f} {to_y + BOX:.1f}"
    return f'<path d="{text}" fill="none" stroke="#444" stroke-width="1.1" marker-end="url(#arrow)"/>'


def _text(x: float, y: float, text: str, weight: str = "normal", anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="#111">{escape(text)}</text>'
    )

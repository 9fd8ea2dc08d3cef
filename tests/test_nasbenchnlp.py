"""NAS-Bench-NLP: recipes, the benchmark's rules, the recurrent network and its regression scores."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

import naslib_gennas
from naslib_gennas import proxies, scoring, spaces
from naslib_gennas.errors import InputError
from naslib_gennas.networks.recurrent import RecurrentLayer
from naslib_gennas.regression import profiles, tasks
from naslib_gennas.regression.sequences import regress_sequences

SPACE = spaces.get("nasbenchnlp")
SMALL = profiles.PAPER.replace(name="small", width=0.1, steps=20, sequences=4)

LSTM = {
    "i": {"op": "linear", "input": ["x", "h_prev_0"]},
    "i_act": {"op": "activation_tanh", "input": ["i"]},
    "j": {"op": "linear", "input": ["x", "h_prev_0"]},
    "j_act": {"op": "activation_sigm", "input": ["j"]},
    "f": {"op": "linear", "input": ["x", "h_prev_0"]},
    "f_act": {"op": "activation_sigm", "input": ["f"]},
    "o": {"op": "linear", "input": ["x", "h_prev_0"]},
    "o_act": {"op": "activation_tanh", "input": ["o"]},
    "h_new_1_kept": {"op": "elementwise_prod", "input": ["f_act", "h_prev_1"]},
    "h_new_1_added": {"op": "elementwise_prod", "input": ["i_act", "j_act"]},
    "h_new_1": {"op": "elementwise_sum", "input": ["h_new_1_kept", "h_new_1_added"]},
    "h_new_1_act": {"op": "activation_tanh", "input": ["h_new_1"]},
    "h_new_0": {"op": "elementwise_prod", "input": ["h_new_1_act", "o_act"]},
}
GRU = {
    "r": {"op": "linear", "input": ["x", "h_prev_0"]},
    "r_act": {"op": "activation_sigm", "input": ["r"]},
    "z": {"op": "linear", "input": ["x", "h_prev_0"]},
    "z_act": {"op": "activation_sigm", "input": ["z"]},
    "rh": {"op": "elementwise_prod", "input": ["r_act", "h_prev_0"]},
    "new": {"op": "linear", "input": ["x", "rh"]},
    "new_act": {"op": "activation_tanh", "input": ["new"]},
    "h_new_0": {"op": "blend", "input": ["z_act", "h_prev_0", "new_act"]},
}
PLAIN = {
    "node_0": {"op": "linear", "input": ["x", "h_prev_0"]},
    "h_new_0": {"op": "activation_tanh", "input": ["node_0"]},
}


def recipe(seed: int) -> Any:
    return SPACE.sample(np.random.default_rng(seed))


def rows(shared: Path) -> List[Dict[str, Any]]:
    with gzip.open(shared / "benchmarks" / "nasbench_nlp.json.gz", "rt") as file:
        found: List[Dict[str, Any]] = json.load(file)
    return found


# ------------------------------------------------------------------------------------------------------------- recipes


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_a_recipe_survives_being_written_and_read(seed: int) -> None:
    arch = recipe(seed)
    assert SPACE.parse(SPACE.format(arch)) == arch
    assert SPACE.parse(json.loads(SPACE.format(arch))) == arch
    assert SPACE.parse(arch) == arch


@given(st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_samples_obey_the_benchmarks_rules(seed: int) -> None:
    nodes = {node.name: node for node in recipe(seed)}
    states = [name for name in nodes if name.startswith("h_new_")]
    read = {name for node in nodes.values() for name in node.inputs}
    assert "x" in read and {name.replace("new", "prev") for name in states} <= read
    assert set(nodes) - set(states) <= read
    for node in nodes.values():
        assert len(set(node.inputs)) == len(node.inputs)
        if node.name in states:
            assert not any(name.startswith("h_prev_") for name in node.inputs)
        if node.op == "linear":
            assert len(node.inputs) in (2, 3)
            assert all(n == "x" or n.startswith("h_prev_") or "activation" in nodes[n].op for n in node.inputs)
        else:
            assert "x" not in node.inputs
            assert len(node.inputs) == {"blend": 3}.get(node.op, 1 if "activation" in node.op else 2)


def test_samples_have_one_two_and_three_hidden_states_like_the_benchmark() -> None:
    rng = np.random.default_rng(0)
    counts = [sum(node.name.startswith("h_new_") for node in SPACE.sample(rng)) for _ in range(120)]
    shares = [counts.count(states) / 120 for states in (1, 2, 3)]
    assert np.allclose(shares, [0.40, 0.47, 0.13], atol=0.12)


def test_every_recipe_of_the_benchmark_is_read_and_duplicates_have_one_loss(shared: Path) -> None:
    losses: Dict[str, List[float]] = {}
    for row in rows(shared)[:400]:
        losses.setdefault(SPACE.key(SPACE.parse(row["recipe"])), []).append(row["ptb_test_loss"])
    groups = [group for group in losses.values() if len(group) > 2]
    assert len(groups) >= 3
    everything = np.concatenate(list(losses.values()))
    for group in groups:
        # Trained recipes that compute the same differ by their seeds alone.
        assert np.std(group) < 0.1 * np.std(everything)


@given(st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_the_key_ignores_names_order_and_numbers_of_states(seed: int) -> None:
    arch = recipe(seed)
    draws = random.Random(seed)
    states = sorted(node.name for node in arch if node.name.startswith("h_new_"))
    others = [node.name for node in arch if node.name not in states]
    names = dict(zip(others, draws.sample([f"v{i}" for i in range(len(others))], len(others))))
    swapped = states[1:]
    draws.shuffle(swapped)
    for old, new in zip(states[1:], swapped):
        names[old], names[old.replace("new", "prev")] = new, new.replace("new", "prev")
    content = []
    for node in arch:
        inputs = [names.get(name, name) for name in node.inputs]
        if node.op != "blend":
            draws.shuffle(inputs)
        content.append((names.get(node.name, node.name), {"op": node.op, "input": inputs}))
    draws.shuffle(content)
    assert SPACE.key(SPACE.parse(dict(content))) == SPACE.key(arch)


def test_the_key_tells_apart_what_computes_differently() -> None:
    gate = {"op": "activation_sigm", "input": ["a"]}
    shared_node = {
        "a": {"op": "linear", "input": ["x", "h_prev_0"]},
        "b": gate,
        "c": {"op": "activation_tanh", "input": ["a"]},
        "h_new_0": {"op": "elementwise_prod", "input": ["b", "c"]},
    }
    two_nodes = {
        **shared_node,
        "a2": {"op": "linear", "input": ["x", "h_prev_0"]},
        "c": {"op": "activation_tanh", "input": ["a2"]},
    }
    blends = [{**GRU, "h_new_0": {"op": "blend", "input": order}} for order in (["z_act", "h_prev_0", "new_act"],)]
    blends.append({**GRU, "h_new_0": {"op": "blend", "input": ["new_act", "h_prev_0", "z_act"]}})
    keys = [SPACE.key(SPACE.parse(content)) for content in (shared_node, two_nodes, *blends, PLAIN, LSTM)]
    assert len(set(keys)) == len(keys)


def test_nodes_that_do_not_reach_the_output_count_for_nothing() -> None:
    more = {
        **PLAIN,
        "idle": {"op": "linear", "input": ["h_prev_0", "h_prev_1"]},
        "h_new_1": {"op": "activation_sigm", "input": ["idle"]},
    }
    arch = SPACE.parse(more)
    assert SPACE.key(arch) == SPACE.key(SPACE.parse(PLAIN))
    count = [sum(p.numel() for p in spaces.build(SPACE, a, SMALL, 0).parameters()) for a in (arch, SPACE.parse(PLAIN))]
    assert count[0] == count[1]


@given(st.integers(0, 2**32))
@example(878336)  # an edit that would leave x no path to the output
@settings(max_examples=40, deadline=None)
def test_mutations_are_other_recipes_that_can_be_read_and_built(seed: int) -> None:
    rng = np.random.default_rng(seed)
    arch = SPACE.sample(rng)
    child = SPACE.mutate(arch, rng)
    assert SPACE.key(child) != SPACE.key(arch)
    assert SPACE.parse(SPACE.format(child)) == child
    assert SPACE.untrainable(child) is None
    outputs = spaces.build(SPACE, child, SMALL, 0).eval()(torch.zeros(2, 1, 40))
    assert outputs[0].shape == (2, 1, 40)


def test_mutations_change_sizes_operations_and_inputs_and_leave_the_rules_intact() -> None:
    rng = np.random.default_rng(0)
    arch = SPACE.sample(rng)
    sizes, states = set(), set()
    for _ in range(100):
        arch = SPACE.mutate(arch, rng)
        sizes.add(len(arch))
        states.add(arch[-1].op)
        nodes = {node.name: node for node in arch}
        for node in arch:
            if node.op == "linear":
                assert len(node.inputs) in (2, 3)
            if "activation" in node.op:
                assert nodes[node.inputs[0]].op == "linear"
    assert len(sizes) >= 5 and len(states) >= 3 and max(sizes) <= 24


@pytest.mark.parametrize("content", [LSTM, GRU, PLAIN])
def test_known_cells_can_be_varied(content: Dict[str, Any]) -> None:
    rng = np.random.default_rng(1)
    arch = SPACE.parse(content)
    children = {SPACE.key(SPACE.mutate(arch, rng)) for _ in range(10)}
    assert len(children) > 1


def test_naslibs_encoding_is_understood() -> None:
    # x, three former hidden states, then node_0 (linear) and h_new_0 (tanh).
    compact = (((0, 4), (1, 4), (4, 5)), (0, 0, 0, 0, 6, 2), (5,))
    assert SPACE.key(SPACE.parse(compact)) == SPACE.key(SPACE.parse(PLAIN))


NODE = {"op": "linear", "input": ["x", "h_prev_0"]}
BAD = [
    ({**PLAIN, "node_0": {"op": "lineer", "input": ["x"]}}, ("node_0", "lineer", "did you mean 'linear'")),
    ({**PLAIN, "node_0": {"op": "linear", "input": ["x", "h_prev_1"]}}, ("node_0", "h_prev_1", "h_new_1")),
    ({"node_0": NODE}, ("h_new_0",)),
    ({**PLAIN, "h_new_2": {"op": "activation_tanh", "input": ["node_0"]}}, ("h_new_2", "h_new_1")),
    ({**PLAIN, **{f"h_new_{i}": {"op": "activation_tanh", "input": ["node_0"]} for i in range(4)}}, ("h_new_3", "3")),
    (
        {**PLAIN, "a": {"op": "linear", "input": ["x", "b"]}, "b": {"op": "activation_tanh", "input": ["a"]}},
        ("a", "b", "cycle"),
    ),
    ({**PLAIN, "node_0": {"op": "linear", "input": ["x", "nod_1"]}}, ("node_0", "nod_1")),
    ({**PLAIN, "h_new_0": {"op": "activation_tanh", "input": ["node_0", "x"]}}, ("h_new_0", "one input", "2")),
    ({**PLAIN, "h_new_0": {"op": "blend", "input": ["node_0", "h_prev_0"]}}, ("h_new_0", "three inputs", "2")),
    ({**PLAIN, "h_new_0": {"op": "elementwise_sum", "input": ["x", "node_0"]}}, ("h_new_0", "reads x")),
    ({**PLAIN, "x": NODE}, ("'x'",)),
    ({**PLAIN, "node_0": {"op": "linear"}}, ("node_0", '"input"')),
    ({**PLAIN, "node_0": {"op": "linear", "input": "x"}}, ("node_0", "list")),
    ({**PLAIN, "node_0": {"op": "linear", "input": []}}, ("node_0", "at least one")),
    ({**PLAIN, "node_0": ["linear"]}, ("node_0", '"op"')),
    ('{"node_0": {"op": "linear", "input": ["x"]}, "node_0": {}}', ("node_0", "twice")),
    ('{"node_0"', ("JSON",)),
    ("[]", ("recipe",)),
    ({}, ("recipe",)),
    (3, ("3",)),
    (((0, 4), (1,), (9,)), ("edges",)),
]


@pytest.mark.parametrize("content, words", BAD)
def test_bad_recipes_are_refused_in_one_line_that_names_the_node(content: Any, words: Any) -> None:
    with pytest.raises(InputError) as error:
        SPACE.parse(content)
    message = str(error.value)
    assert "\n" not in message and all(word in message for word in words), message


def test_a_recipe_that_never_reads_x_is_untrainable_but_builds() -> None:
    arch = SPACE.parse({"h_new_0": {"op": "activation_sigm", "input": ["h_prev_0"]}})
    assert "x" in (SPACE.untrainable(arch) or "")
    output = spaces.build(SPACE, arch, SMALL, 0).eval()(torch.zeros(3, 2, 40))[0]
    assert torch.allclose(output[0], torch.tensor(0.5))


# ------------------------------------------------------------------------------------------------------------- network


def by_hand(layer: RecurrentLayer, nodes: Any, x: torch.Tensor) -> torch.Tensor:
    """What a layer computes, node by node and step by step."""
    states = [torch.zeros(x.shape[1], layer.width, dtype=x.dtype) for _ in range(layer.plan.states)]
    outputs = []
    for now in x:
        values = {"x": now, **{f"h_prev_{i}": value for i, value in enumerate(states)}}
        biases, weights, inputs = iter(layer.bias), iter(layer.weights), iter(layer.inputs)
        for node in nodes:
            read = [values[name] for name in node.inputs]
            if node.op == "linear":
                total = next(biases)
                for name in node.inputs:
                    if name != "x":
                        total = total + values[name] @ next(weights).t()
                values[node.name] = total + now @ next(inputs).t() if "x" in node.inputs else total
            elif node.op == "blend":
                values[node.name] = read[0] * read[1] + (1 - read[0]) * read[2]
            elif node.op == "elementwise_prod":
                values[node.name] = torch.stack(read).prod(0)
            elif node.op == "elementwise_sum":
                values[node.name] = torch.stack(read).sum(0)
            else:
                known = {"tanh": torch.tanh, "sigm": torch.sigmoid, "leaky_relu": F.leaky_relu}
                values[node.name] = known[node.op[len("activation_") :]](read[0])
        states = [values[f"h_new_{i}"] for i in range(len(states))]
        outputs.append(states[0])
    return torch.stack(outputs)


THREE = {
    "a": {"op": "linear", "input": ["x", "h_prev_2", "h_prev_1"]},
    "h_new_1": {"op": "activation_leaky_relu", "input": ["a"]},
    "h_new_2": {"op": "elementwise_sum", "input": ["a", "h_new_1", "h_prev_0"]},
    "h_new_0": {"op": "elementwise_prod", "input": ["h_new_2", "a", "h_new_1"]},
}


@pytest.mark.parametrize("arch", [LSTM, GRU, THREE, *range(12)])
def test_the_loop_and_its_written_out_gradients_are_those_of_plain_autograd(arch: Any) -> None:
    nodes = recipe(arch) if isinstance(arch, int) else SPACE.parse(arch)
    torch.manual_seed(0)
    layer = RecurrentLayer(nodes, 5, 7).double().eval().requires_grad_(True)
    x = torch.randn(4, 3, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, 7, dtype=torch.float64)
    sources = [x, *layer.parameters()]
    found, expected = layer(x, None), by_hand(layer, nodes, x)
    assert torch.allclose(found, expected)
    pairs = zip(*(torch.autograd.grad((y * weight).sum(), sources, allow_unused=True) for y in (found, expected)))
    for source, (one, other) in zip(sources, pairs):
        zero = torch.zeros_like(source)
        assert torch.allclose(zero if one is None else one, zero if other is None else other)


def test_the_network_has_the_benchmarks_sizes() -> None:
    network = spaces.build(SPACE, SPACE.parse(PLAIN), profiles.PAPER, 0)
    assert [tuple(layer.inputs[0].shape) for layer in network.layers] == [(600, 400), (600, 600), (400, 600)]
    assert [tuple(layer.weights[0].shape) for layer in network.layers] == [(600, 600), (600, 600), (400, 400)]
    for layer in network.layers:
        largest = max(float(parameter.detach().abs().max()) for parameter in layer.parameters())
        assert 0.95 / layer.width**0.5 < largest <= 1 / layer.width**0.5


def test_dropout_acts_in_training_alone_and_drops_the_stated_shares() -> None:
    network = spaces.build(SPACE, SPACE.parse(PLAIN), profiles.PAPER.replace(width=0.25), 0)
    network.draws = torch.Generator().manual_seed(0)
    x = torch.randn(3, 64, 100)
    still = network.eval()(x)[0]
    assert torch.equal(still, network(x)[0])
    noisy = network.train()(x)[0]
    dropped = noisy == 0
    assert torch.equal(dropped[0], dropped[2])
    assert abs(float(dropped[0].float().mean()) - 0.1) < 0.02
    weight = network.layers[0].weights[0]
    mask = network._mask(0.1, weight)
    assert mask.unique().tolist() == pytest.approx([0.0, 1 / 0.9])
    assert abs(float((mask == 0).float().mean()) - 0.1) < 0.02
    assert not torch.equal(mask, network._mask(0.1, weight))


# ------------------------------------------------------------------------------------------------------------- scoring


def scored(arch: Any, seed: int, task: str = "nlp-search", profile: Any = SMALL) -> Any:
    network = spaces.build(SPACE, arch, profile, seed)
    return regress_sequences(network, torch.empty(profile.sequences, 0), tasks.get(task), profile, seed)


@pytest.mark.parametrize("task", ["nlp-single", "nlp-combo", "nlp-search"])
def test_training_lowers_the_loss_of_every_task(task: str) -> None:
    result = scored(SPACE.parse(LSTM), 0, task, SMALL.replace(steps=60))
    losses = [loss for _, loss in result.losses]
    assert len(losses) == 6 and losses[-1] == result.loss < 0.95 * losses[0]


def test_a_score_is_decided_by_its_seed_and_leaves_global_generators_alone() -> None:
    arch = recipe(3)
    before = torch.get_rng_state()
    first = scored(arch, 1).losses
    torch.manual_seed(99)
    assert scored(arch, 1).losses == first
    assert scored(arch, 2).losses != first
    torch.set_rng_state(before)
    scored(arch, 1)
    assert torch.equal(torch.get_rng_state(), before)


def test_matrices_between_nodes_keep_their_initial_values_unless_asked_to_train() -> None:
    arch = SPACE.parse(LSTM)
    for trained in (False, True):
        network = spaces.build(SPACE, arch, SMALL, 0)
        if trained:
            network.requires_grad_(True)
        before = {name: value.clone() for name, value in network.state_dict().items()}
        regress_sequences(network, torch.empty(4, 0), tasks.get("nlp-search"), SMALL, 0)
        changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
        assert any(".inputs." in name for name in changed) and any(".bias." in name for name in changed)
        assert any(".weights." in name for name in changed) is trained


def test_the_proxy_scores_recipes_through_the_engine() -> None:
    arch = recipe(5)
    proxy = proxies.get("gennas-nlp-search", SMALL)
    record = scoring.score(SPACE, arch, proxy, seed=0)
    assert record.status == "ok" and record.score == -scored(arch, 0).loss
    assert record.arch == SPACE.format(arch)
    with pytest.raises(InputError):
        scoring.score(SPACE, arch, "gennas-combo", seed=0)


def test_small_networks_already_rank_the_authors_recipes_as_the_authors_losses_do(shared: Path) -> None:
    reference = json.loads((shared / "reference" / "authors_nasbench_nlp.json").read_text())["architectures"][:10]
    recipes = {row["id"]: row["recipe"] for row in rows(shared)}
    profile = profiles.PAPER.replace(width=0.125, sequences=8, steps=60)
    ours = [scored(SPACE.parse(recipes[entry["id"]]), 0, "nlp-search", profile).loss for entry in reference]
    theirs = [entry["nlp_search_losses"][-1] for entry in reference]
    assert spearmanr(ours, theirs)[0] > 0.8


def test_an_aggregate_scores_recurrent_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # where its reference sample is kept
    arch = SPACE.sample(np.random.default_rng(0))
    found = naslib_gennas.score(SPACE, arch, "ranksum:params+l2_norm", profile=SMALL)
    assert found.status == "ok", found.reason

"""Search spaces from functions that make a network from choices: what they draw, keep, tell apart and refuse."""

from __future__ import annotations

import json
import random
import sys
import textwrap
from functools import partial

import cloudpickle
import forks
import loky
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from naslib_gennas import spaces
from naslib_gennas.errors import InputError
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.regression.profiles import PAPER
from naslib_gennas.spaces import from_configspace, from_function

TINY = PAPER.replace(name="tiny", images=2, resolution=16, target_size=4, steps=4)
few = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**32)


class Block(nn.Module):
    def __init__(self, width, kernel):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(width, width, kernel, 1, kernel // 2), nn.BatchNorm2d(width)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x))) + x


def net(layers, width=8):
    down = [nn.Conv2d(3, width, 3, 2, 1), *layers, nn.Conv2d(width, width, 3, 2, 1)]
    return nn.Sequential(*down, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def conditional(choose):
    """The options of a kernel depend on the width, and what is asked for on depth and operations."""
    width = choose.suggest_categorical("width", [4, 8])
    layers = []
    for i in range(choose.suggest_int("depth", 0, 3)):
        if choose.suggest_categorical(f"op {i}", ["conv", "skip", "drop"]) == "conv":
            layers.append(Block(width, choose.suggest_categorical(f"kernel {i}", [1, 3] if width == 4 else [1, 3, 5])))
        elif choose.params[f"op {i}"] == "drop":
            layers.append(nn.Dropout(choose.suggest_float(f"rate {i}", 0.1, 0.5)))
        else:
            layers.append(nn.Identity())
    return net(layers, width)


SPACE = from_function(conditional)


class Replay:
    """Answers with what it is given, and notes the options: another view of what a function asks for."""

    def __init__(self, arch):
        self.params, self.asked = dict(arch), {}

    def suggest_categorical(self, name, choices):
        self.asked[name] = list(choices)
        return self.params[name]

    def suggest_int(self, name, low, high):
        self.asked[name] = (low, high)
        return self.params[name]

    suggest_float = suggest_int


def asked(arch):
    replay = Replay(arch)
    conditional(replay)
    assert set(replay.asked) == set(dict(arch))
    return replay.asked


@few
@given(seeds)
def test_sampling_is_deterministic_and_gives_options_only(seed):
    first, again = (SPACE.sample(np.random.default_rng(seed)) for _ in range(2))
    assert first == again and hash(first) == hash(again)
    for name, options in asked(first).items():
        answer = dict(first)[name]
        assert answer in options if isinstance(options, list) else options[0] <= answer <= options[1]


@few
@given(seeds)
def test_notation_round_trip(seed):
    arch = SPACE.sample(np.random.default_rng(seed))
    assert json.loads(SPACE.format(arch)) == dict(arch)
    assert SPACE.parse(SPACE.format(arch)) == SPACE.parse(dict(reversed(arch))) == arch


@few
@given(seeds)
def test_a_mutation_redraws_one_choice_and_keeps_what_is_still_asked_for(seed):
    rng = np.random.default_rng(seed)
    parent = SPACE.sample(rng)
    child = SPACE.mutate(parent, rng)
    assert child != parent
    before, after = asked(parent), asked(child)
    changed = [name for name in after if name in before and dict(child)[name] != dict(parent)[name]]
    # One is drawn anew; the others that differ could not be kept, since their options are others.
    assert len([name for name in changed if before[name] == after[name]]) <= 1 and changed


def test_every_choice_is_mutated_in_time():
    rng, parent = np.random.default_rng(0), SPACE.parse('{"width": 4, "depth": 1, "op 0": "conv", "kernel 0": 3}')
    children = [dict(SPACE.mutate(parent, rng)) for _ in range(60)]
    for name, value in parent:
        assert any(child.get(name) != value for child in children)
    assert {"width": 4, "depth": 0} in children
    assert {"width": 8, "depth": 1, "op 0": "skip"} not in children  # two choices at once


def test_conditional_choices_have_one_notation():
    with pytest.raises(InputError, match="choice 'kernel 0' has no answer; it takes one of 1, 3, 5"):
        SPACE.parse('{"width": 8, "depth": 1, "op 0": "conv"}')
    with pytest.raises(InputError, match="no choice 'op 1' is asked for"):
        SPACE.parse('{"width": 8, "depth": 1, "op 0": "skip", "op 1": "skip"}')
    with pytest.raises(InputError, match="choice 'kernel 0' is 5; it takes one of 1, 3"):
        SPACE.parse('{"width": 4, "depth": 1, "op 0": "conv", "kernel 0": 5}')
    with pytest.raises(InputError, match="is not JSON"):
        SPACE.parse("nonsense")


# ------------------------------------------------------------------------------------------------- isomorphic networks


def key(function, **answers):
    space = from_function(function)
    return space.key(space.parse(answers))


def test_isomorphic_architectures_share_a_key():
    def layers(*operations):
        answers = {f"op {i}": operation for i, operation in enumerate(operations)}
        kernels = {f"kernel {i}": 3 for i, operation in enumerate(operations) if operation == "conv"}
        return SPACE.key(SPACE.parse({"width": 8, "depth": len(operations), **answers, **kernels}))

    assert layers("conv", "skip", "skip") == layers("skip", "conv", "skip") == layers("conv")
    assert layers("conv", "conv") != layers("conv", "skip")
    assert layers("skip") == layers()


@few
@given(seeds)
def test_equal_keys_are_equal_networks(seed):
    rng = np.random.default_rng(seed)
    first = SPACE.sample(rng)
    second = SPACE.mutate(first, rng)
    if SPACE.key(first) == SPACE.key(second):
        one, other = (spaces.build(SPACE, arch, TINY, 0) for arch in (first, second))
        x = torch.randn(2, 3, 16, 16)
        assert all(torch.equal(a, b) for a, b in zip(one.eval()(x), other.eval()(x)))


class Scaled(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.conv, self.scale = nn.Conv2d(3, 4, 3, 2), scale

    def forward(self, x):
        return self.conv(x) if random.random() < self.scale else x[..., ::2, ::2]


def weights(choose, value):
    layer = nn.Conv2d(3, 4, 3, 2)
    value(layer, choose.suggest_categorical("value", [0.25, 0.5]))
    return nn.Sequential(layer, nn.ReLU())


def shared(choose):
    one, two = nn.Conv2d(3, 3, 3, 2), nn.Conv2d(3, 3, 3, 2)
    order = choose.suggest_categorical("order", ["aabb", "abab", "abba"])
    return nn.Sequential(*({"a": one, "b": two}[letter] for letter in order))


def test_what_no_graph_shows_is_another_network():
    # Each pair builds equal modules in an equal order: only numbers, or which of them are shared, tell them apart.
    different = [
        lambda layer, value: nn.init.normal_(layer.weight, 0, value),
        lambda layer, value: layer.weight.data.mul_(value),
        lambda layer, value: layer.weight.data.copy_(torch.full((4, 3, 3, 3), value)),
        lambda layer, value: layer.weight.data[:, 0].fill_(value),
        lambda layer, value: layer.register_buffer("mask", torch.tensor([value])),
        lambda layer, value: layer.bias.requires_grad_(value == 0.5),
        lambda layer, value: setattr(layer, "padding_mode", "zeros" if value == 0.5 else "circular"),
        lambda layer, value: setattr(layer, "bias", nn.Parameter(torch.full((4,), value))),
    ]
    for change in different:
        function = partial(weights, value=change)
        assert key(function, value=0.25) != key(function, value=0.5)
    assert len({key(shared, order=order) for order in ("aabb", "abab", "abba")}) == 3

    def chance(choose):
        return nn.Sequential(Scaled(choose.suggest_float("scale", 0.5, 1.0)), nn.ReLU())

    assert key(chance, scale=0.9) != key(chance, scale=0.95)


class Branching(nn.Module):
    """Cannot be traced: it asks for a shape and for a number."""

    def __init__(self, kernel):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, kernel, 2, kernel // 2)

    def forward(self, x):
        images, _, height, _ = x.shape
        return self.conv(x) if x.mean() < 9 and height > 2 else x


def test_what_cannot_be_traced_is_told_apart_by_its_choices():
    def function(choose):
        choose.suggest_categorical("nothing", [1, 2])
        return nn.Sequential(Branching(choose.suggest_categorical("kernel", [1, 3])), nn.ReLU())

    assert json.loads(key(function, nothing=1, kernel=3)) == {"nothing": 1, "kernel": 3}
    assert key(function, nothing=2, kernel=3) != key(function, nothing=1, kernel=3)


def test_isomorphic_vision_code_with_numbers_in_it():
    """The usual schedule of drop rates reads numbers of a tensor; `.to` names a device. Neither makes weights."""

    def function(choose):
        rates = [rate.item() for rate in torch.linspace(0, 0.1, 3)]
        skip = choose.suggest_categorical("skip", [0, 1, 2])
        return net([nn.Identity() if i == skip else nn.Dropout(rates[1]) for i in range(3)]).to("cuda")

    space = from_function(function)
    assert len({space.key(space.parse({"skip": skip})) for skip in (0, 1, 2)}) == 1


def test_drawing_makes_no_weights():
    def function(choose):
        width = choose.suggest_int("width", 50_000, 60_000)
        return nn.Sequential(nn.Linear(width, width), nn.Linear(width, choose.suggest_int("out", 1, 9)))

    space = from_function(function)  # 10 GB each
    arch = space.sample(np.random.default_rng(0))
    assert space.mutate(arch, np.random.default_rng(0)) != arch and space.key(arch)


# -------------------------------------------------------------------------------------------------- networks and stages


def test_stages_are_found_named_or_given():
    def module(choose):
        return net([Block(8, choose.suggest_categorical("kernel", [1, 3]))])

    def named(choose):
        return module(choose), ["0", "2"]

    class Staged(StagedNetwork):
        stage_channels = [8]

        def __init__(self, kernel):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, kernel)

        def forward(self, x):
            return [self.conv(x)]

    def staged(choose):
        return Staged(choose.suggest_categorical("kernel", [1, 3]))

    x = torch.randn(2, 3, 16, 16)
    for function, channels in ((module, [8, 8]), (named, [8, 8]), (staged, [8])):
        space = from_function(function)
        network = spaces.build(space, space.parse({"kernel": 3}), TINY, 0)
        assert network.stage_channels == channels == [part.shape[1] for part in network(x)]
    assert [part.shape[-1] for part in spaces.build(from_function(named), (("kernel", 3),), TINY, 0)(x)] == [8, 4]


def test_initial_weights_come_from_the_seed_alone():
    arch = SPACE.sample(np.random.default_rng(3))
    torch.manual_seed(1)
    one, two, other = (spaces.build(SPACE, arch, TINY, seed) for seed in (0, 0, 1))
    state = torch.get_rng_state()
    same = [torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters())]
    assert all(same) and not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters()))
    assert torch.equal(state, torch.get_rng_state())


def test_lazy_modules_have_their_weights_from_the_seed():
    def lazy(choose):
        return nn.Sequential(nn.LazyConv2d(choose.suggest_int("width", 4, 8), 3, 2), nn.ReLU(), nn.LazyConv2d(4, 3))

    space = from_function(lazy)
    one, two = (spaces.build(space, (("width", 4),), TINY, 0) for _ in range(2))
    assert (
        all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters())) and len(list(one.parameters())) == 4
    )


def test_the_network_that_one_trains_has_the_classes_asked_for():
    network = SPACE.published(SPACE.sample(np.random.default_rng(0)), classes=7)
    assert network(SPACE.example(2)).shape == (2, 7)


def test_maps_over_time_have_an_input_of_their_own():
    def series(choose):
        return nn.Sequential(nn.Conv1d(2, choose.suggest_int("width", 4, 8), 5, 2), nn.ReLU())

    space = from_function(series, inputs=(2, 50))
    assert space.size(TINY) == (2, 50) and space.example(3).shape == (3, 2, 50)
    assert from_function(conditional).size(TINY) == (3, 16, 16)


# ------------------------------------------------------------------------------------------------ ways to write choices


def test_options_of_every_kind():
    def function(choose):
        parts = [
            choose.suggest_categorical("activation", [nn.ReLU, nn.SiLU])(),
            nn.Conv2d(3, 3, choose.suggest_categorical("kernel", [[3, 3], (1, 5)])),
            nn.Dropout(choose.suggest_float("rate", 0.0, 0.3, step=0.1)),
            nn.Conv2d(3, choose.suggest_int("width", 16, 64, step=16), 1),
            nn.Softplus(choose.suggest_float("beta", 1e-3, 1e3, log=True)),
            nn.Identity(choose.suggest_int("even", 1, 1024, log=True)),
            nn.BatchNorm2d(64) if choose.suggest_categorical("none", [None, True]) else nn.Identity(),
            nn.Dropout(choose.suggest_uniform("old", 0.1, 0.2)),
        ]
        choose.set_user_attr("remark", 1)
        assert choose.suggest_int("width", 16, 64, step=16) == choose.params["width"] and choose.number == 0
        return nn.Sequential(*parts)

    space, rng = from_function(function), np.random.default_rng(0)
    drawn = [dict(space.sample(rng)) for _ in range(300)]
    assert {arch["activation"] for arch in drawn} == {"ReLU", "SiLU"}
    assert {arch["kernel"] for arch in drawn} == {(3, 3), (1, 5)}
    assert sorted({round(arch["rate"], 9) for arch in drawn}) == [0, 0.1, 0.2, 0.3]
    assert {arch["width"] for arch in drawn} == {16, 32, 48, 64}
    assert 0.3 < np.mean([arch["beta"] < 1 for arch in drawn]) < 0.7
    assert 0.3 < np.mean([arch["even"] < 32 for arch in drawn]) < 0.7
    for arch in drawn[:20]:
        text = space.format(tuple(arch.items()))
        assert dict(space.parse(text)) == arch and space.mutate(space.parse(text), rng) != space.parse(text)


def test_a_notation_of_its_own():
    def digits(choose):
        return net([Block(8, choose.suggest_categorical(f"kernel {i}", [1, 3])) for i in range(3)])

    space = from_function(
        digits,
        name="digits",
        format=lambda choices: "".join(map(str, choices.values())),
        parse=lambda text: {f"kernel {i}": int(digit) for i, digit in enumerate(text)},
    )
    assert space.name == "digits" and set(space.notation) <= set("13")
    assert space.parse("131") == space.parse('{"kernel 0": 1, "kernel 1": 3, "kernel 2": 1}')
    assert space.format(space.parse("131")) == "131"
    for text, message in (
        ("1x1", "not an architecture"),
        ("1312", "no choice 'kernel 3'"),
        ("151", "takes one of 1, 3"),
    ):
        with pytest.raises(InputError, match=message):
            space.parse(text)
    with pytest.raises(InputError, match="its parse and format do not fit"):
        from_function(digits, format=lambda choices: "133", parse=lambda text: {f"kernel {i}": 3 for i in range(3)})


def test_an_optuna_study_s_function_works_as_it_stands():
    optuna = pytest.importorskip("optuna")

    def build_model(trial):
        width = trial.suggest_int("width", 4, 16, log=True)
        layers = [Block(width, 3) for _ in range(trial.suggest_int("n_layers", 1, 3))]
        if width > 14:
            raise optuna.TrialPruned
        return net(layers, width).to("cpu")

    space, rng = from_function(build_model), np.random.default_rng(0)
    assert all(dict(space.sample(rng))["width"] <= 14 for _ in range(30))
    with pytest.raises(InputError, match="not allowed"):
        space.parse({"width": 16, "n_layers": 1})
    trial = optuna.trial.FixedTrial({"width": 8, "n_layers": 2})
    assert build_model(trial) and space.parse(trial.params) == (("width", 8), ("n_layers", 2))


def test_configspace():
    ConfigSpace = pytest.importorskip("ConfigSpace")
    space = ConfigSpace.ConfigurationSpace({"depth": (1, 4), "op": ["conv", "skip"], "rate": (0.1, 0.9), "width": 8})
    space.add(ConfigSpace.EqualsCondition(space["rate"], space["op"], "skip"))
    clauses = [ConfigSpace.ForbiddenEqualsClause(space[name], value) for name, value in (("op", "skip"), ("depth", 1))]
    space.add(ConfigSpace.ForbiddenAndConjunction(*clauses))

    def build(configuration):
        one = Block(8, 3) if configuration["op"] == "conv" else nn.Dropout(configuration["rate"])
        return net([one for _ in range(configuration["depth"])], configuration["width"])

    own, rng = from_configspace(space, build, "configured"), np.random.default_rng(0)
    drawn = [own.sample(rng) for _ in range(60)]
    for arch in [*drawn, *(own.mutate(arch, rng) for arch in drawn)]:
        ConfigSpace.Configuration(space, values={**dict(arch), "width": 8}).check_valid_configuration()
    other = ConfigSpace.ConfigurationSpace({"depth": (1, 5), "op": ["conv"], "width": 8})
    assert spaces.identity(own) != spaces.identity(from_configspace(other, build))
    with pytest.raises(InputError, match="not a list"):
        from_configspace([], build)


# ----------------------------------------------------------------------------------------------- files, pools, identity

FILE = """
    from torch import nn

    import parts_of_it
    LAYERS = 2

    def mobile(choose):
        from parts_of_it import Part
        blocks = [Part(8, choose.suggest_categorical(f"kernel {i}", [1, 3])) for i in range(LAYERS)]
        return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), *blocks, nn.Conv2d(8, 8, 3, 2), parts_of_it.Head())
"""
PARTS = """
    from torch import nn
    WIDTH = 4

    class Part(nn.Module):
        def __init__(self, width, kernel):
            super().__init__()
            self.conv = nn.Conv2d(width, width, kernel, padding=kernel // 2)

        def forward(self, x):
            return self.conv(x) + x

    class Head(nn.Module):
        def forward(self, x):
            return x.mean((2, 3))
"""


def write(folder, file=FILE, parts=PARTS, name="my_space.py"):
    (folder / name).write_text(textwrap.dedent(file))
    (folder / "parts_of_it.py").write_text(textwrap.dedent(parts))
    return f"{folder / name}:mobile"


def in_a_worker(payload):
    space, arch = cloudpickle.loads(payload)
    network = spaces.build(space, arch, TINY, 0)
    total = sum(float(part.detach().double().sum()) for part in network.parameters())
    return space.format(space.sample(np.random.default_rng(1))), space.key(arch), total


def test_a_file_travels_to_worker_processes(tmp_path):
    spec = write(tmp_path)
    space = spaces.get(spec)
    arch = space.sample(np.random.default_rng(0))
    here = in_a_worker(cloudpickle.dumps((space, arch)))
    with loky.ProcessPoolExecutor(2) as pool:
        payload = cloudpickle.dumps((space, arch))
        (tmp_path / "my_space.py").unlink()  # as on another machine
        assert pool.submit(cloudpickle.loads(cloudpickle.dumps(in_a_worker)), payload).result() == here


def test_a_file_is_loaded_once(tmp_path):
    spec = write(tmp_path)
    (tmp_path / "my_space.py").write_text(textwrap.dedent(FILE) + "\nprint('loaded')\n")
    code = f"from naslib_gennas.spaces import get\nprint(get({spec!r}).function is get({spec!r}).function)"
    done = forks.done(forks.script(code))
    assert done.stdout.split() == ["loaded", "True"]


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        (FILE.replace("LAYERS = 2", "LAYERS = 3"), PARTS),
        (FILE, PARTS.replace("self.conv(x) + x", "self.conv(x) - x")),
        (FILE, PARTS.replace("WIDTH = 4", "WIDTH = 5")),
    ],
)
def test_the_code_of_what_it_builds_is_part_of_its_identity(tmp_path, file, parts):
    before, again = (spaces.identity(spaces.get(write(tmp_path))) for _ in range(2))
    assert before == again
    assert spaces.identity(spaces.get(write(tmp_path, file, parts))) != before
    assert spaces.identity(spaces.get(write(tmp_path))) == before


def test_enclosed_values_are_part_of_its_identity():
    def wide(choose, width):
        return net([Block(width, choose.suggest_categorical("kernel", [1, 3]))], width)

    def enclosing(width):
        return lambda choose: wide(choose, width)

    for make in (lambda width: partial(wide, width=width), enclosing):
        four, again, eight = (spaces.identity(from_function(make(width))) for width in (4, 4, 8))
        assert four == again != eight


EXPLICIT = """
    from naslib_gennas.spaces import SearchSpace, from_function
    from torch import nn

    class Own(SearchSpace):
        sample = mutate = key = parse = format = build = lambda self, *args: args

    class Half(SearchSpace):
        pass

    def build(choose):
        return nn.Sequential(nn.Conv2d(3, choose.suggest_int("width", 4, 8), 3), nn.ReLU())

    made, number = from_function(build, "made"), 3
    network = nn.ReLU()
"""


def test_explicit_search_spaces_in_files(tmp_path):
    file = write(tmp_path, EXPLICIT).rpartition(":")[0]
    own = spaces.get(f"{file}:Own")
    assert own.name == "Own" and own.kind == "cnn" and spaces.get(f"{file}:made").name == "made"
    for name, message in (
        ("Half", "has no build, format"),
        ("number", "is a int"),
        ("network", "is a ReLU"),
        ("bild", "did you mean 'build'"),
    ):
        with pytest.raises(InputError, match=message):
            spaces.get(f"{file}:{name}")
    with pytest.raises(InputError, match="needs a name from the file: .*:Half, "):
        spaces.get(file)


# ------------------------------------------------------------------------------------------------------------ bad input


def one(choose):
    return choose.suggest_categorical("kernel", [1, 3])


calls = []


def unsteady_name(choose):
    calls.append(1)
    return net([Block(8, choose.suggest_categorical(f"kernel {len(calls)}", [1, 3]))])


def unsteady_options(choose):
    return net([Block(8, choose.suggest_categorical("kernel", [1, 3] if random.random() < 0.5 else [1, 3, 5]))])


def twice(choose):
    choose.suggest_int("width", 1, 8)
    return net([nn.Conv2d(8, choose.suggest_int("width", 1, 9), 1)])


def data(choose):
    width = choose.suggest_int("width", 1, 8)
    return net([nn.Conv2d(8, len(open("no-such-file.csv").read()) + width, 1)])


def leaves(choose):
    choose.suggest_int("width", 1, 8)
    sys.exit(3)


def pruned(choose):
    choose.suggest_int("width", 1, 8)
    raise spaces.NotAllowed("never")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (one, "returns a int; its function returns a torch module"),
        (lambda choose: choose.suggest_int("a", 1, 2) and None, "returns nothing"),
        (lambda: net([]), "takes no argument; it takes one"),
        (lambda choose, loader: net([]), r"takes 2 arguments \(choose, loader\)"),
        (lambda choose: net([]), "has no choices"),
        (unsteady_name, "makes other choices for the same answers: choice 'kernel "),
        (unsteady_options, "makes other choices for the same answers: choice 'kernel'"),
        (twice, "choice 'width' is asked for twice with other options: a whole number from 1 to 8, then .* 1 to 9"),
        (data, r"line \d+: FileNotFoundError: .*no-such-file.csv.*without data"),
        (leaves, r"line \d+: it ends the program \(sys.exit\)"),
        (pruned, "1000 draws were not allowed by the function: never"),
        (lambda choose: (net([]), choose.suggest_categorical("stage", ["9"])), "the stages beside the module are '9'"),
        (lambda choose: (net([]), [choose.suggest_categorical("stage", ["9"])]), "no submodule '9'"),
        (lambda choose: choose.suggest_categorical("kernel", []), "'kernel' has no options"),
        (lambda choose: choose.suggest_categorical("kernel", 3), "'kernel' needs a list of options, not 3"),
        (lambda choose: choose.suggest_categorical("kernel", [1, 1]), "'kernel' has the option 1 twice"),
        (lambda choose: choose.suggest_categorical("kernel", [object()]), "option of type object"),
        (lambda choose: choose.suggest_categorical("kernel", [float("nan")]), "no finite number"),
        (lambda choose: choose.suggest_categorical(3, [1]), "a choice's name is 3"),
        (lambda choose: choose.suggest_int("width", 9, 8), "'width' has no options: low is 9, high is 8"),
        (lambda choose: choose.suggest_int("width", 1, 8, step=0), "step is 0; it takes a number above 0"),
        (lambda choose: choose.suggest_int("width", 0.5, 8), "low is 0.5; it takes a whole number"),
        (lambda choose: choose.suggest_int("width", 0, 8, log=True), "log=True takes a low above 0"),
        (lambda choose: choose.suggest_float("rate", 0, float("inf")), "high is inf"),
        (lambda choose: choose.suggest_float("rate", "0", 1), "low is '0'; it takes a number"),
        (lambda choose: choose.sugest_int("width", 1, 8), "by 'sugest_int'; did you mean 'suggest_int'"),
    ],
)
def test_mistakes_are_one_line(function, message):
    with pytest.raises(InputError, match=message) as error:
        from_function(function, "mine")
    assert "\n" not in str(error.value) and str(error.value).startswith("search space 'mine'")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def mobile(choose):\n  return (\n\nimport sys", r"my_space.py', line \d+: "),
        ("import sys\nsys.exit(0)", r"line 2: it ends the program \(sys.exit\)"),
        ("import no_such_module", "line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("x = 1\n\n1 / 0", "line 3: ZeroDivisionError"),
        ("from naslib_gennas.spaces import from_function\nmobile = from_function(lambda: 1, 'm')", "takes no argument"),
        ("", "defines no 'mobile'"),
    ],
)
def test_mistakes_in_a_file_are_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as error:
        spaces.get(write(tmp_path, text))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there():
    with pytest.raises(InputError, match="search space file 'no/such.py' cannot be read: No such file"):
        spaces.get("no/such.py:mobile")


def test_a_space_of_one_architecture_has_no_neighbour():
    space = from_function(lambda choose: net([Block(8, choose.suggest_categorical("kernel", [3]))]))
    with pytest.raises(InputError, match="has one architecture only"):
        space.mutate(space.sample(np.random.default_rng(0)), np.random.default_rng(0))


def test_a_function_with_the_name_of_a_search_space_needs_another():
    def darts(choose):
        return conditional(choose)

    with pytest.raises(InputError, match="'darts' is a search space of this package; .*name="):
        from_function(darts)
    assert from_function(darts, name="my-darts").name == "my-darts"

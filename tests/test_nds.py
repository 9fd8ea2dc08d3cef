"""The NDS spaces: published parameter counts, records, official files, mutation among records, mistakes of the user."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from naslib_gennas import proxies, spaces, truth
from naslib_gennas.errors import InputError
from naslib_gennas.networks.anynet import AnyNetwork, StagePlan, complexity
from naslib_gennas.regression import batches, profiles
from naslib_gennas.spaces import nds_cells
from naslib_gennas.spaces.space import build
from naslib_gennas.studies import variation
from naslib_gennas.truth import nds as nds_records

NAMES = sorted(nds_records.FILES)
FAMILY = [name for name in NAMES if "resne" in name]
CELLS = [name for name in NAMES if "resne" not in name]
TINY = profiles.PAPER.replace(name="tiny", cells=1, channels=4, images=2, resolution=16, target_size=4, steps=2)


def sampled(name: str, count: int, seed: int = 0) -> List[Any]:
    space, rng = spaces.get(name), np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


def record(name: str, arch: Any, errors: Any = (60.0, 9.5, 10.0)) -> Dict[str, Any]:
    """A record as the official files have it."""
    net = json.loads(spaces.get(name).format(arch))
    if "genotype" in net:
        net["aux"] = True
    return {
        "net": net,
        "optim": {"base_lr": 0.1, "wd": 0.0005},
        "test_ep_top1": list(errors),
        "params": 12,
        "flops": 34,
    }


# ---------------------------------------------------------------------------------------------------------- networks


@pytest.mark.parametrize("depth, published", [(20, 0.27), (56, 0.85), (110, 1.7)])
def test_published_parameter_counts_of_resnets(depth: int, published: float) -> None:
    # ResNet (arXiv:1512.03385), table 6, for CIFAR-10. Its shortcuts have no parameters, those of NDS are projections
    # where the width changes: a 1x1 convolution and a BatchNorm.
    blocks = (depth - 2) // 6
    network = AnyNetwork("res_basic_block", [StagePlan(blocks, 16 * 2**i, 1 + (i > 0)) for i in range(3)], 16)
    projections = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    count = sum(parameter.numel() for parameter in network.parameters()) - projections
    assert round(count / 1e6, 1 if published == 1.7 else 2) == published


@pytest.mark.parametrize("block", ["res_basic_block", "res_bottleneck_block"])
def test_complexity_counts_what_is_built(block: str) -> None:
    bottleneck, groups = (0.5, 4) if block == "res_bottleneck_block" else (1.0, 1)
    stages = [StagePlan(2, 16, 1, bottleneck, groups), StagePlan(1, 32, 2, bottleneck, groups), StagePlan(3, 32, 2)]
    network = AnyNetwork(block, stages, 8)
    operations = []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda m, _, out: operations.append(m.weight.numel() * out[0, 0].numel()))
    network(torch.randn(1, 3, 16, 16))
    weights = sum(module.weight.numel() for module in network.modules() if isinstance(module, torch.nn.Conv2d))
    assert complexity(block, stages, 16, 8) == (weights, sum(operations))


@pytest.mark.parametrize("name", NAMES)
def test_every_space_draws_varies_writes_and_scores(name: str) -> None:
    space, rng = spaces.get(name), np.random.default_rng(1)
    archs = sampled(name, 20)
    assert len({space.key(arch) for arch in archs}) == 20
    for arch in archs:
        mutant = space.mutate(arch, rng)
        assert space.key(mutant) != space.key(arch)
        for one in (arch, mutant):
            assert space.parse(space.format(one)) == one
            assert space.parse(record(name, one)) == one
    proxy = proxies.get("gennas-combo", TINY)
    inputs = batches.load("photos", proxy.images, TINY.resolution)
    trainable = [arch for arch in archs if space.untrainable(arch) is None][:2]
    scores = []
    for arch in trainable:
        network = build(space, arch, TINY, 0)
        maps = network(inputs)
        assert [m.shape[1] for m in maps] == network.stage_channels
        assert [m.shape[2] for m in maps] == [16, 8, 4]
        assert network.logits(inputs).shape == (2, 10)
        scores.append(proxy.score(network, inputs, 0).value)
    assert np.isfinite(scores).all() and len(set(scores)) == len(scores)


@pytest.mark.parametrize("name", ["nds-darts", "nds-darts-in", "nds-resnext-a"])
def test_paper_size_is_the_records(name: str) -> None:
    space = spaces.get(name)
    with torch.device("meta"):
        if "darts" in name:
            arch = nds_cells.CellNet(sampled(name, 1)[0].genotype, 24, 12)
            network: Any = space.build(arch, space.size(profiles.PAPER))
            assert (len(network.cells), network.stage_channels) == (12, [96, 192, 384])
            assert len(network.stems) == (2 if name.endswith("-in") else 1)
        else:
            arch = sampled(name, 1)[0]
            network = space.build(arch, space.size(profiles.PAPER))
            assert [len(stage) for stage in network.stages] == [plan.depth for plan in arch.stages]
            assert network.stage_channels == [plan.width for plan in arch.stages[1:]]
            grouped = [
                m.groups for m in network.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (3, 3)
            ]
            assert grouped[1:] == [plan.groups for plan in arch.stages for _ in range(plan.depth)]


def test_smaller_profiles_keep_the_order_of_widths_and_depths() -> None:
    space = spaces.get("nds-darts")
    genotype = sampled("nds-darts", 1)[0].genotype
    small = profiles.PAPER.replace(name="small", cells=2, channels=8)
    sizes = []
    with torch.device("meta"):
        for width, depth in ((16, 4), (16, 12), (32, 20)):
            network: Any = space.build(nds_cells.CellNet(genotype, width, depth), space.size(small))
            sizes.append((network.stage_channels[0], len(network.cells)))
    assert sizes == [(32, 3), (32, 5), (64, 8)]


def test_sizes_of_the_spaces() -> None:
    # NDS (arXiv:1905.13214), table 3: billions of cells; table 1: networks.
    billions = {"nasnet": 71465842, "amoeba": 556628, "pnas": 556628, "enas": 5063, "darts": 242}
    for name, count in billions.items():
        assert int(spaces.get(f"nds-{name}").cell_count / 1e9 + 0.5) == count  # type: ignore[attr-defined]
    networks = {"resnet": 1259712, "resnext-a": 11390625, "resnext-b": 52734375}
    assert {name: spaces.get(f"nds-{name}").count for name in networks} == networks


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), name=st.sampled_from(FAMILY))
def test_family_stays_within_the_papers_bounds(seed: int, name: str) -> None:
    space = spaces.get(name)
    arch = sampled(name, 1, seed)[0]
    most, operations, resolution = space.bounds  # type: ignore[attr-defined]
    stem, *stages = space.mutate(arch, np.random.default_rng(seed)).stages
    found = complexity(arch.block, stages, resolution, stem.width)
    # For ImageNet one of the two is enough: official records of 7.1 M parameters or of 4.6 G multiply-adds are there.
    assert (any if name.endswith("-in") else all)([found[0] <= most, found[1] <= operations])


@pytest.mark.parametrize("name", ["nds-darts-in", "nds-amoeba-in", "nds-enas-in", "nds-nasnet-in", "nds-pnas-in"])
def test_imagenet_spaces_draw_the_sizes_of_the_official_records(shared: Path, name: str) -> None:
    archs = sampled(name, 300)
    assert {arch.depth for arch in archs} == {6, 10, 14, 18, 22} and {32, 48, 64} <= {arch.width for arch in archs}
    records = json.loads((shared / "benchmarks/nds" / f"{nds_records.FILES[name]}.json").read_text())
    assert {record["net"]["width"] for record in records} <= {32, 48, 64, 80, 96}
    for key in ("width", "depth"):
        drawn = np.mean([getattr(arch, key) for arch in archs])
        official = np.array([record["net"][key] for record in records])
        assert abs(drawn - official.mean()) < 4 * official.std() / np.sqrt(len(official))
    for arch in archs[:5]:
        with torch.device("meta"):
            network = spaces.get(name).published(arch)
        assert sum(parameter.numel() for parameter in network.parameters()) <= 6e6


def test_fixed_sizes_for_imagenet_are_those_of_the_records() -> None:
    assert {(arch.width, arch.depth) for arch in sampled("nds-darts-fix-in", 20)} == {(32, 22)}


def test_mutation_among_records_takes_the_most_similar() -> None:
    space = spaces.get("nds-resnext-a")
    records = sampled("nds-resnext-a", 100)
    assert variation.variation(space, "paper", records).children == "nearest-of-200"
    among = variation.variation(space, "nearest-of-200", records)  # more than there are: the nearest of all
    rng = np.random.default_rng(0)
    assert all(among.sample(rng) in records for _ in range(20))

    def differences(a: Any, b: Any) -> int:
        settings_of = [(p.depth, p.width, p.stride, p.bottleneck, p.groups) for p in (*a.stages, *b.stages)]
        half = len(settings_of) // 2
        return sum(x != y for p, q in zip(settings_of[:half], settings_of[half:]) for x, y in zip(p, q))

    for parent in records[:5]:
        nearest = min(differences(parent, other) for other in records if other != parent)
        mutant = among.mutate(parent, rng)
        assert mutant != parent and mutant in records and differences(parent, mutant) == nearest
    few = variation.variation(space, "nearest-of-3", records)
    assert len({few.mutate(records[0], rng) for _ in range(20)}) > 5  # of other three each time
    with pytest.raises(InputError, match="at least 2"):
        variation.variation(space, "nearest", [records[0], records[0]])


def test_loose_spaces_concatenate_what_no_node_reads() -> None:
    for name, loose in (("nds-enas", True), ("nds-pnas", False)):
        for arch in sampled(name, 20):
            for plan in (arch.genotype.normal, arch.genotype.reduce):
                read = {source for _, source in plan.edges} if loose else set()
                assert plan.concat == tuple(node for node in range(2, 7) if node not in read)


def test_two_spellings_of_a_resnext_record() -> None:
    space = spaces.get("nds-resnext-a")
    net = {"block_type": "res_bottleneck_block", "ds": [1, 2, 1, 4], "ws": [16, 64, 32, 128], "ss": [1, 1, 2, 2]}
    groups = space.parse({**net, "bot_muls": [0.0, 0.5, 1.0, 0.25], "num_gs": [1, 4, 2, 1]})
    assert [plan.groups for plan in groups.stages] == [1, 4, 2, 1]
    assert [plan.middle for plan in groups.stages] == [16, 32, 32, 32]
    # `gws` states the width of a group, not the number of groups.
    assert space.parse({**net, "bms": [1.0, 0.5, 1.0, 0.25], "gws": [16, 8, 16, 32]}) == groups


# ---------------------------------------------------------------------------------------------------- official files


def test_official_files_become_tables_that_truth_reads(tmp_path: Path) -> None:
    folder = tmp_path / "nds_data"
    folder.mkdir()
    plain, parted = sampled("nds-darts", 3), sampled("nds-resnext-b-in", 4)
    (folder / "DARTS.json").write_text(
        json.dumps([record("nds-darts", a, (50.0, 8.0 - i)) for i, a in enumerate(plain)])
    )
    rows = [record("nds-resnext-b-in", a, (90.0, 33.0, 35.0)) for a in parted]
    (folder / "ResNeXt-B_in.json").write_text(json.dumps({"top": rows[:1], "mid": rows[1:]}))
    (folder / "Vanilla_lr-wd.json").write_text("not of our business")
    added = nds_records.add(tmp_path, tmp_path / "kept")
    assert [(table.space, table.records) for table in added] == [("nds-darts", 3), ("nds-resnext-b-in", 4)]
    space = spaces.get("nds-darts")
    known = truth.load(f"{added[0].table}:test_acc", space)
    assert [known.of(space, arch) for arch in plain] == [92.0, 93.0, 94.0]
    other = spaces.get("nds-resnext-b-in")
    best = truth.load(f"{added[1].table}:best_test_acc", other)
    assert {best.of(other, arch) for arch in parted} == {67.0}
    before = added[0].table.read_bytes()
    nds_records.add(tmp_path, tmp_path / "kept")
    assert added[0].table.read_bytes() == before


def test_a_table_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "ENAS.json").write_text(json.dumps([record("nds-enas", arch) for arch in sampled("nds-enas", 2)]))
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "nds-enas").write_text("a file where a folder should be")
    with pytest.raises(InputError, match="cannot be written"):
        nds_records.add(tmp_path, tmp_path / "kept")


def test_truth_keeps_tables_by_space(tmp_path: Path) -> None:
    archs = sampled("nds-enas", 3)
    (tmp_path / "ENAS.json").write_text(
        json.dumps([record("nds-enas", a, (20.0, 6.0 + i)) for i, a in enumerate(archs)])
    )
    space = spaces.get("nds-enas")
    assert truth.installed(space) == []
    assert [(name, count) for name, _, count in truth.add("nds", tmp_path)] == [("nds-enas", 3)]
    with pytest.raises(InputError, match="it is installed for nds-enas, not for nds-pnas"):
        truth.load("nds", spaces.get("nds-pnas"))
    try:
        assert truth.installed("nds-enas") == ["nds.csv.gz"]
        found = truth.find(truth.INSTALLED, space)
        assert found is not None and [found.of(space, arch) for arch in archs] == [94.0, 93.0, 92.0]
        assert truth.installed("nds-darts") == []
        own = tmp_path / "mine.csv"
        own.write_text("arch,accuracy\n64-1234-basic,50\n")
        assert truth.add("transnas-macro", own)[0][2] == 1
        macro = spaces.get("transnas-macro")
        assert truth.load("mine.csv:accuracy", macro).of(macro, macro.parse("64-1234-basic")) == 50.0
        with pytest.raises(InputError, match="no architecture of transnas-micro"):
            truth.add("transnas-micro", own)
    finally:
        shutil.rmtree(truth.folder())


def damaged(change: str) -> str:
    rows = [record("nds-darts", arch) for arch in sampled("nds-darts", 3)]
    genotype = rows[1]["net"]["genotype"]
    if change == "cut off":
        return json.dumps(rows)[:-40]
    if change == "wrong space":
        rows = [record("nds-pnas", arch) for arch in sampled("nds-pnas", 3)]
    elif change == "wrong family":
        rows = [record("nds-resnet", arch) for arch in sampled("nds-resnet", 3)]
    elif change == "unknown operation":
        genotype["normal"][3][0] = "sep_conv_9x9"
    elif change == "missing node":
        genotype["reduce"][7][1] = 6
    elif change == "no net":
        del rows[1]["net"]
    elif change == "no errors":
        rows[1]["test_ep_top1"] = []
    elif change == "errors above 100":
        rows[1]["test_ep_top1"] = [912.0]
    elif change == "huge errors":
        rows[1]["test_ep_top1"] = [10**400]
    elif change == "nested":
        return "[" * 100_000
    elif change == "no width":
        del rows[1]["net"]["width"]
    elif change == "no list":
        return json.dumps({"records": rows})
    return json.dumps(rows)


@pytest.mark.parametrize(
    "change, words",
    [
        ("cut off", ["cut off or damaged at character"]),
        ("wrong space", ["record 0", "nds-pnas", "PNAS.json"]),
        ("wrong family", ["record 0", "ResNet family", "ResNet.json"]),
        ("unknown operation", ["record 1", "normal cell, node 3, edge 2", "'sep_conv_9x9'"]),
        ("missing node", ["record 1", "reduce cell, node 5, edge 2", "node 6"]),
        ("no net", ["record 1", "'net'"]),
        ("no errors", ["record 1", "test_ep_top1"]),
        ("errors above 100", ["record 1", "percent"]),
        ("huge errors", ["record 1", "percent"]),
        ("nested", ["cannot be read"]),
        ("no width", ["record 1", "'width'"]),
        ("no list", ["'top' and 'mid'"]),
    ],
)
def test_damaged_files_are_named_in_one_line(tmp_path: Path, change: str, words: List[str]) -> None:
    (tmp_path / "DARTS.json").write_text(damaged(change))
    (tmp_path / "ENAS.json").write_text(json.dumps([record("nds-enas", arch) for arch in sampled("nds-enas", 2)]))
    with pytest.raises(InputError) as raised:
        nds_records.add(tmp_path, tmp_path / "kept")
    message = str(raised.value)
    assert "\n" not in message and "DARTS.json" in message
    assert all(word in message for word in words), message
    assert not (tmp_path / "kept").exists()  # all or nothing


def test_files_under_another_name_are_refused(tmp_path: Path) -> None:
    many = [record("nds-pnas", arch) for arch in sampled("nds-pnas", 5)]
    (tmp_path / "PNAS_fix-w-d.json").write_text(json.dumps(many))
    with pytest.raises(InputError, match=r"is it PNAS\.json\?"):
        nds_records.add(tmp_path, tmp_path / "kept")
    (tmp_path / "PNAS_fix-w-d.json").unlink()
    fixed = [record("nds-pnas-fix", arch) for arch in sampled("nds-pnas-fix", 5)] * 40
    (tmp_path / "PNAS.json").write_text(json.dumps(fixed))
    with pytest.raises(InputError, match=r"is it PNAS_fix-w-d\.json\?"):
        nds_records.add(tmp_path, tmp_path / "kept")
    (tmp_path / "PNAS.json").unlink()
    (tmp_path / "PNAS_in.json").write_text(json.dumps(many * 40))
    with pytest.raises(InputError, match="median test error of 10.0%"):
        nds_records.add(tmp_path, tmp_path / "kept")


@pytest.mark.parametrize("there", [True, False])
def test_folders_without_official_files(tmp_path: Path, there: bool) -> None:
    with pytest.raises(InputError, match=r"none of the official files" if there else "no such folder"):
        nds_records.add(tmp_path if there else tmp_path / "absent", tmp_path / "kept")


# ---------------------------------------------------------------------------------------------------------- mistakes

RESNEXT = {
    "block_type": "res_bottleneck_block",
    "ds": [1, 2, 1, 4],
    "ws": [16, 64, 32, 128],
    "ss": [1, 1, 2, 2],
    "bot_muls": [0.0, 0.5, 1.0, 0.25],
    "num_gs": [1, 4, 2, 1],
}


@pytest.mark.parametrize(
    "change, words",
    [
        ({"block_type": "res_botleneck_block"}, ["'res_botleneck_block'", "res_bottleneck_block"]),
        ({"block_type": "res_basic_block"}, ["res_basic_block"]),
        ({"block_type": None}, ["block_type"]),
        ({"ds": [1, 2]}, ["'ds' has 2 stages"]),
        ({"ws": [16, 64]}, ["'ws' has 2 numbers for the 4 stages"]),
        ({"ws": [16, 64, 0, 128]}, ["stage 2"]),
        ({"ds": [1, 2, 0, 1]}, ["stage 2 has 0 blocks"]),
        ({"num_gs": [1, 3, 1, 1]}, ["stage 1", "32 channels", "3 groups"]),
        ({"ss": "1122"}, ["'ss'", "list of numbers"]),
        ({"ss": None}, ["'ss'", "list of numbers"]),
    ],
)
def test_mistakes_in_resnext_records(change: Dict[str, Any], words: List[str]) -> None:
    net = copy.deepcopy(RESNEXT)
    net.update(change)
    with pytest.raises(InputError) as raised:
        spaces.get("nds-resnext-a").parse(json.dumps(net))
    message = str(raised.value)
    assert "\n" not in message and message.startswith("nds-resnext-a: ")
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    "wrong", ["", "{", "[]", "3", None, 7, '{"net": 3}', '{"genotype": {}, "width": 15, "depth": 8}']
)
@pytest.mark.parametrize("name", ["nds-darts", "nds-resnet"])
def test_other_things_are_no_records(name: str, wrong: Any) -> None:
    with pytest.raises(InputError) as raised:
        spaces.get(name).parse(wrong)
    assert "\n" not in str(raised.value) and str(raised.value).startswith(f"{name}: ")

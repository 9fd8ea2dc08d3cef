"""The engine with real processes, real kills and real executors: nothing is lost, nothing counted twice."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import random
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch

from naslib_gennas import proxies, scoring, spaces
from naslib_gennas.errors import EngineError, InputError
from naslib_gennas.proxies.proxy import Proxy, Score
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.scoring import cluster
from naslib_gennas.scoring.pool import Streams
from naslib_gennas.scoring.store import Store
from naslib_gennas.spaces.nasbench201 import NasBench201

TINY = Profile(name="tiny", steps=2, images=2, resolution=8, target_size=2, cells=1, channels=4)
SPACE = spaces.get("nasbench201")
ROOT = str(Path(__file__).parents[1])


def architectures(count, seed=0):
    """Trainable architectures, no two isomorphic."""
    rng, found = np.random.default_rng(seed), {}
    while len(found) < count:
        arch = SPACE.sample(rng)
        if not SPACE.untrainable(arch):
            found.setdefault(SPACE.key(arch), arch)
    return list(found.values())


def scores(records):
    return {record.index: (record.score, record.status) for record in records}


@pytest.fixture(scope="module")
def proxy():
    return proxies.get("gennas-combo", TINY)


@pytest.fixture(scope="module")
def pool():
    with scoring.Pool(2) as pool:
        yield pool


class Counting(NasBench201):
    """Notes every network that is built; some architectures kill the process that builds them."""

    def __init__(self, folder, deadly=(), once=()):
        self.folder, self.deadly, self.once = str(folder), deadly, once

    def build(self, arch, size):
        with open(os.path.join(self.folder, "built"), "a") as file:
            file.write(f"{self.format(arch)} {os.getpid()}\n")
        first = self.built().count(self.format(arch)) == 1
        if arch in self.deadly or (arch in self.once and first):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().build(arch, size)

    def built(self):
        lines = Path(self.folder, "built").read_text().splitlines()
        return [line.split(" ")[0] for line in lines]


def test_every_executor_gives_the_scores_of_this_process(pool, proxy):
    archs = architectures(8)
    here = list(scoring.score_many(SPACE, archs, proxy, workers=1))
    assert [record.index for record in here] == list(range(8))
    assert len({record.score for record in here}) > 4
    assert all(record.status == "ok" and record.seconds > 0 and record.details["losses"] for record in here)
    assert scores(scoring.score_many(SPACE, archs, proxy, executor=pool)) == scores(here)
    switched_on = torch._C._get_mkldnn_enabled()
    with ThreadPoolExecutor(3) as threads:
        for _ in range(3):  # threads share the switch of oneDNN: which of them ends first must not matter
            assert scores(scoring.score_many(SPACE, archs, proxy, executor=threads)) == scores(here)
    assert torch._C._get_mkldnn_enabled() == switched_on
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        assert scores(scoring.score_many(SPACE, archs[:2], proxy, executor=processes)) == scores(here[:2])


def test_scoring_here_leaves_threads_and_generators_as_they_were(proxy):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        random.seed(3), np.random.seed(3), torch.manual_seed(3)
        expected = random.random(), np.random.rand(), float(torch.rand(()))
        random.seed(3), np.random.seed(3), torch.manual_seed(3)
        scoring.score(SPACE, architectures(1)[0], proxy)
        assert (random.random(), np.random.rand(), float(torch.rand(()))) == expected
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("workers", [1, 2])
def test_isomorphic_architectures_are_scored_once(workers, pool, proxy, tmp_path):
    text = "|nor_conv_3x3~0|+|{}~0|{}~1|+|none~0|none~1|skip_connect~2|"
    twins = [SPACE.parse(text.format(*ops)) for ops in (("skip_connect", "none"), ("none", "skip_connect"))]
    arch = SPACE.parse("|nor_conv_1x1~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    alike = SPACE.parse("|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    assert SPACE.key(arch) == SPACE.key(alike) and SPACE.key(twins[0]) != SPACE.key(twins[1])
    space = Counting(tmp_path)
    executor = pool if workers == 2 else None
    records = list(scoring.score_many(space, [arch, alike, arch, twins[0]], proxy, workers=1, executor=executor))
    assert sorted(record.index for record in records) == [0, 1, 2, 3]
    assert len({record.score for record in records if record.index < 3}) == 1
    assert {record.index: record.arch for record in records}[1] == SPACE.format(alike)
    assert sorted(record.reused for record in records) == [False, False, True, True]
    assert len(space.built()) == 2


def test_untrainable_architectures_rank_last_unbuilt(proxy, tmp_path):
    space = Counting(tmp_path)
    broken = SPACE.parse("|none~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|")
    record = scoring.score(space, broken, proxy)
    assert (record.score, record.status) == (-math.inf, "untrainable")
    assert "no path" in record.reason
    assert not (tmp_path / "built").exists()


def test_architectures_are_taken_lazily_from_an_endless_source(pool, proxy):
    taken = itertools.count()
    source = ((next(taken), SPACE.sample(np.random.default_rng(i)))[1] for i in itertools.count())
    records = scoring.score_many(SPACE, source, proxy, executor=pool)
    assert next(taken) == 0
    seen = [next(records) for _ in range(6)]
    records.close()
    assert len(seen) == 6
    assert next(taken) <= 6 + 8
    # One architecture for ever does not make it read on for ever either.
    same = scoring.score_many(SPACE, itertools.repeat(architectures(1)[0]), proxy, executor=pool)
    assert len({next(same).score for _ in range(20)}) == 1


def test_the_threads_that_a_gpu_gets_give_the_scores_of_this_process(proxy):
    archs = architectures(6)
    alone = {record.arch: record.score for record in scoring.score_many(SPACE, archs, proxy, workers=1)}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with Streams(2, device) as streams:
        records = list(scoring.score_many(SPACE, archs, proxy, executor=streams, device=device))
    assert len(records) == 6
    if device == "cpu":
        assert {record.arch: record.score for record in records} == alone


def test_a_text_is_parsed_and_a_wrong_one_refused(proxy):
    arch = architectures(1)[0]
    assert scoring.score(SPACE, SPACE.format(arch), proxy).score == scoring.score(SPACE, arch, proxy).score
    with pytest.raises(InputError, match="conv_7x7"):
        scoring.score(SPACE, "|conv_7x7~0|+|none~0|none~1|+|none~0|none~1|none~2|", proxy)


def made(measure, **changes):
    return Proxy(**{"name": "mine", "measure": measure, "profile": TINY, "images": 2, **changes})


def test_a_proxy_that_breaks_down_on_some_architectures_ranks_them_last(pool):
    def measure(network, inputs, seed):
        convolutions = sum(isinstance(module, torch.nn.Conv2d) for module in network.modules())
        a_cell = convolutions // 3 % 3  # three cells beside the stem and the reductions
        if a_cell == 0:
            raise RuntimeError("out of\nluck")
        return Score(math.nan if a_cell == 1 else float(convolutions))

    records = list(scoring.score_many(SPACE, architectures(20), made(measure), executor=pool))
    by_status = {status: [r for r in records if r.status == status] for status in ("ok", "failed", "diverged")}
    assert all(by_status.values()) and sum(map(len, by_status.values())) == 20
    assert {r.reason for r in by_status["failed"]} == {"RuntimeError: out of luck"}
    assert {r.score for r in by_status["failed"] + by_status["diverged"]} == {-math.inf}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_proxy_that_refuses_the_space_says_why(workers, pool):
    def measure(network, inputs, seed):
        raise InputError("mine: it needs labels")

    executor = pool if workers == 2 else None
    with pytest.raises(InputError, match="mine: it needs labels"):
        list(scoring.score_many(SPACE, architectures(3), made(measure), workers=1, executor=executor))
    with pytest.raises(InputError, match="scores networks of kind rnn; nasbench201 has kind cnn"):
        scoring.score_many(SPACE, [], made(measure, kinds=("rnn",)))


def test_a_changed_proxy_or_space_of_the_user_is_scored_anew(tmp_path):
    code = """
    from naslib_gennas.proxies.registry import proxy

    @proxy("of-mine")
    def of_mine(network, inputs, seed):
        return {}
    """
    archs, found = architectures(2), []
    sys.path.insert(0, str(tmp_path))
    try:
        for number in (1.0, 22.0, 22.0):
            (tmp_path / "user_proxy.py").write_text(textwrap.dedent(code.format(number)))
            sys.modules.pop("user_proxy", None)
            proxies.registry._FACTORIES.pop("of-mine", None)
            __import__("user_proxy")
            chosen = proxies.get("of-mine", TINY)
            records = list(scoring.score_many(SPACE, archs, chosen, workers=1, store=tmp_path / "scores.sqlite"))
            found.append((records[0].score, records[0].reused))
    finally:
        sys.path.remove(str(tmp_path))
        proxies.registry._FACTORIES.pop("of-mine", None)
    assert found == [(1.0, False), (22.0, False), (22.0, True)]


def test_a_killed_worker_costs_one_architecture_at_the_most(proxy, tmp_path):
    archs = architectures(10)
    deadly, once = archs[3], archs[6]
    space = Counting(tmp_path, deadly=(deadly,), once=(once,))
    with Store(tmp_path / "scores.sqlite") as store:
        with scoring.Pool(1) as pool:
            records = list(scoring.score_many(space, [*archs, deadly], proxy, executor=pool, store=store))
        assert len(records) == 11
        expected = scores(scoring.score_many(SPACE, archs, proxy, workers=1))
        found = scores(records)
        assert found[3] == found[10] == (-math.inf, "failed")
        assert {i: found[i] for i in range(10) if i != 3} == {i: expected[i] for i in range(10) if i != 3}
        reason = next(record.reason for record in records if record.index == 3)
        assert "died twice" in reason and "SIGKILL" in reason
        assert space.built().count(SPACE.format(deadly)) == 2
        assert space.built().count(SPACE.format(once)) == 2
        # The failure is on record, and a later call tries again.
        assert [row["status"] for row in store.rows(status="failed")] == ["failed"]
    later = list(scoring.score_many(SPACE, [deadly], proxy, workers=1, store=tmp_path / "scores.sqlite"))
    assert later[0].status == "ok"


def test_workers_killed_from_outside_are_replaced(proxy):
    archs = architectures(16, seed=5)
    expected = scores(scoring.score_many(SPACE, archs, proxy, workers=1))
    draw = random.Random(0)
    with scoring.Pool(2) as pool:
        found = {}
        for record in scoring.score_many(SPACE, archs, proxy, executor=pool):
            assert record.index not in found
            found[record.index] = (record.score, record.status)
            if len(found) == 5:
                time.sleep(draw.uniform(0, 0.05))
                os.kill(draw.choice(list(pool._executor._processes)), signal.SIGKILL)
    assert found == expected


def test_workers_that_cannot_work_end_the_call(proxy, tmp_path):
    archs = architectures(4)
    with pytest.raises(EngineError, match="no worker could score anything"):
        list(
            scoring.score_many(
                Counting(tmp_path, deadly=tuple(archs)), archs, proxy, workers=1, executor=scoring.Pool(1)
            )
        )


def test_an_executor_of_the_caller_that_breaks_is_an_error_in_one_line(proxy, tmp_path):
    archs = architectures(2)
    space = Counting(tmp_path, deadly=(archs[0],))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        with pytest.raises(EngineError, match="the executor broke"):
            list(scoring.score_many(space, archs, proxy, executor=executor))


SCRIPT = """
import sys, time
import numpy as np
from naslib_gennas import proxies, spaces
from naslib_gennas import scoring
from naslib_gennas.regression.profiles import Profile

space = spaces.get("nasbench201")
profile = Profile(name="tiny", steps={steps}, images=2, resolution=8, target_size=2, cells=1, channels=4)
rng = np.random.default_rng(7)
archs = [space.sample(rng) for _ in range({count})]
try:
    proxy = proxies.get("gennas-combo", profile)
    for record in scoring.score_many(space, archs, proxy, workers={workers}, store={store!r}):
        print(record.index, record.score, flush=True)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def start(tmp_path, count=400, workers=2, steps=2):
    """A script without a __main__ guard, in a process group of its own, as a shell starts it."""
    script = tmp_path / "script.py"
    store = str(tmp_path / "scores.sqlite")
    script.write_text(SCRIPT.format(count=count, workers=workers, store=store, steps=steps))
    environment = {**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
        # A shell's background jobs, and what they start, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def alive(group):
    """Processes of a process group that still run."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.split()[0] == str(group) and "Z" not in line.split()[1]]


def gone(group, within):
    deadline = time.monotonic() + within
    while alive(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(group)


def stored(tmp_path):
    with Store(tmp_path / "scores.sqlite") as store:
        return {row["arch"]: row["score"] for row in store.rows()}


def test_a_script_without_a_main_guard_works_and_ctrl_c_stops_it_within_a_second(tmp_path):
    process = start(tmp_path)
    lines = [process.stdout.readline() for _ in range(10)]
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
    asked = time.monotonic()
    rest, errors = process.communicate(timeout=30)
    assert time.monotonic() - asked < 4  # well under a second on a machine with time to spare
    assert rest.splitlines()[-1] == "stopped"
    assert errors == ""
    assert gone(process.pid, within=2)
    reported = [line.split() for line in [*lines, *rest.splitlines()[:-1]]]
    kept = stored(tmp_path)
    assert {float(score) for _, score in reported if score != "-inf"} <= set(kept.values())


def test_a_killed_parent_leaves_every_reported_score_and_no_worker(tmp_path):
    count = 60
    expected = None
    draw = random.Random(1)
    for attempt in range(2):
        process = start(tmp_path, count, workers=2 - attempt)
        reported = []
        for _ in range(draw.randint(5, 20)):
            reported.append(process.stdout.readline().split())
        time.sleep(draw.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert {float(score) for _, score in reported if score != "-inf"} <= set(stored(tmp_path).values())
        assert gone(process.pid, within=4)
    before = stored(tmp_path)
    rng = np.random.default_rng(7)
    archs = [SPACE.sample(rng) for _ in range(count)]
    chosen = proxies.get("gennas-combo", TINY)
    final = list(scoring.score_many(SPACE, archs, chosen, workers=1, store=tmp_path / "scores.sqlite"))
    expected = scores(scoring.score_many(SPACE, archs, chosen, workers=1))
    assert scores(final) == expected
    after = stored(tmp_path)
    assert {arch: after[arch] for arch in before} == before
    assert len(after) == len({SPACE.key(arch) for arch in archs if not SPACE.untrainable(arch)})


def test_two_processes_share_a_store(tmp_path):
    pair = [start(tmp_path, 80, workers=1) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in pair]
    assert [errors for _, errors in outputs] == ["", ""]
    told = [dict(line.split() for line in out.splitlines()) for out, _ in outputs]
    assert told[0] == told[1] and len(told[0]) == 80
    chosen = proxies.get("gennas-combo", TINY)
    rng = np.random.default_rng(7)
    again = list(
        scoring.score_many(
            SPACE, [SPACE.sample(rng) for _ in range(80)], chosen, workers=1, store=tmp_path / "scores.sqlite"
        )
    )
    assert all(record.reused or record.status == "untrainable" for record in again)


def test_a_dask_cluster_gives_the_scores_of_the_pool(proxy, tmp_path):
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed (the extra cluster)")
    archs = architectures(12)
    expected = scores(scoring.score_many(SPACE, archs, proxy, workers=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        local = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        )
    with local, cluster.executor(local.scheduler_address) as executor:
        started = time.monotonic()
        records = list(scoring.score_many(SPACE, archs, proxy, executor=executor, store=tmp_path / "scores.sqlite"))
        assert scores(records) == expected
        assert time.monotonic() - started < 60


def test_a_scheduler_that_does_not_answer_is_said_in_a_line(monkeypatch):
    pytest.importorskip("distributed", reason="dask.distributed is not installed (the extra cluster)")
    monkeypatch.setattr("naslib_gennas.scoring.cluster._ANSWER", 1)
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        with pytest.raises(InputError, match=f"scheduler '{address}' does not answer"), cluster.executor(address):
            pass


@pytest.mark.parametrize(
    "answer, patience, said",
    [
        (b"", 8, "is none: another program answers there"),  # closes the connection
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", 8, "is none: another program answers there"),
        (None, 4, "does not answer: what listens there says nothing for 4 s"),
    ],
)
def test_what_answers_and_is_no_scheduler_is_said_once(answer, patience, said):
    pytest.importorskip("distributed", reason="dask.distributed is not installed (the extra cluster)")
    code = (
        "import gc, sys\n"
        "from naslib_gennas.scoring import cluster\n"
        "cluster._ANSWER = int(sys.argv[2])\n"
        "try:\n    with cluster.executor(sys.argv[1]): pass\n"
        "except Exception as error: print(type(error).__name__, error)\n"
        "gc.collect()\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            held = []
            with contextlib.suppress(OSError):  # until the test closes the server
                while True:
                    held.append(server.accept()[0])
                    if answer is not None:
                        held[-1].sendall(answer)
                        held[-1].close()

        threading.Thread(target=serve, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        command = [sys.executable, "-c", code, address, str(patience)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith(f"InputError scheduler '{address}' {said}"), done
    assert done.stdout.count("\n") == 1 and done.stderr == ""


def test_a_worker_is_no_scheduler():
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed (the extra cluster)")
    with distributed.LocalCluster(n_workers=1, processes=False, protocol="tcp", dashboard_address=None) as local:
        (worker,) = local.scheduler.workers
        with pytest.raises(InputError, match=r"is none: another program answers there \(Worker\)"):
            with cluster.executor(worker):
                pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is given back on Linux only")
def test_memory_of_a_large_network_is_given_back_before_the_next_score():
    code = (
        "import resource\n"
        "from naslib_gennas import scoring\n"
        "from naslib_gennas.scoring import memory\n"
        "memory.MOST = 1 << 28\n"
        "before = memory.resident()\n"
        "scoring.score('transnas-macro', '64-13223-basic', 'jacob_cov')\n"
        "most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10\n"
        "print(memory.resident() - before, most - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    held, most = map(int, done.stdout.split())
    assert held < most / 4  # without, more than a half: 0.8 of 1.5 GB


def test_no_workers_are_left_behind(proxy):
    before = set(threading.enumerate())
    records = scoring.score_many(SPACE, architectures(6), proxy, workers=2)
    next(records)
    children = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "pid="], capture_output=True, text=True)
    assert len(children.stdout.split()) >= 2
    records.close()
    deadline = time.monotonic() + 3
    while {t for t in set(threading.enumerate()) - before if t.is_alive()} and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [thread for thread in set(threading.enumerate()) - before if "Manager" in type(thread).__name__]

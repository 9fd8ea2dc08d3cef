"""The store on real files: shared, damaged, too new, full, read-only; nothing written is lost."""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
import subprocess
import warnings
from pathlib import Path

import forks
import pytest

from naslib_gennas.errors import InputError
from naslib_gennas.identity import canonical
from naslib_gennas.scoring import store as stores
from naslib_gennas.scoring.store import Row, Run, Store

ROOT = str(Path(__file__).parents[1])
RUN = Run("nasbench201", "gennas-combo", canonical({"steps": 2}), "photos", 0)


def row(number, status="ok"):
    return Row(f"arch {number}", float(number), status, "", 0.1, '{"losses": [[10, 0.5]]}')


def fill(path, count, run=RUN):
    with Store(path) as store:
        for number in range(count):
            store.put(run, f"key {number:05d}", row(number))


def test_what_is_written_is_there_for_the_next_process(tmp_path):
    fill(tmp_path / "a" / "scores.sqlite", 3)
    with Store(tmp_path / "a" / "scores.sqlite") as store:
        assert [store.get(RUN, f"key {number:05d}") for number in range(4)] == [row(0), row(1), row(2), None]
        assert store.get(Run("nasbench201", "gennas-combo", RUN.settings, "photos", 1), "key 00000") is None
        assert store.get(Run("nasbench201", "gennas-combo", RUN.settings, "noise", 0), "key 00000") is None
        assert store.get(Run("nasbench201", "gennas-combo", canonical({"steps": 3}), "photos", 0), "key 00000") is None
        assert store.get(Run("nasbench201", "gennas-combo", RUN.settings, "photos", 0, "9"), "key 00000") is None


def test_the_first_score_of_an_architecture_stays_unless_it_failed(tmp_path):
    with Store(tmp_path / "scores.sqlite") as store:
        assert store.put(RUN, "key", Row("a", -math.inf, "failed", "killed", 0.0)).status == "failed"
        assert store.get(RUN, "key") is None
        assert store.put(RUN, "key", row(1)) == row(1)
        assert store.put(RUN, "key", row(2)) == row(1)
        assert store.get(RUN, "key") == row(1)
        assert store.put(RUN, "last", Row("b", -math.inf, "diverged", "nan", 0.0)).score == -math.inf


def test_settings_in_another_order_are_the_same_settings():
    one, other = canonical({"a": 1, "b": [1.5, {"c": None}]}), canonical({"b": [1.5, {"c": None}], "a": 1})
    assert one == other
    assert Run("s", "p", one, "i", 0).fingerprint == Run("s", "p", other, "i", 0).fingerprint
    assert Run("s", "p", one, "i", 0).fingerprint != Run("s", "q", one, "i", 0).fingerprint


def test_listing_exporting_and_pruning(tmp_path):
    other = Run("darts", "synflow", "{}", "noise", 1, "0.0.1")
    path = tmp_path / "scores.sqlite"
    fill(path, 3)
    fill(path, 2, other)
    with Store(path) as store:
        store.put(RUN, "bad", Row("c", -math.inf, "failed", "killed", 0.0))
        runs = store.runs()
        assert [(run["space"], run["scores"], run["not_ok"]) for run in runs] == [
            ("nasbench201", 4, 1),
            ("darts", 2, 0),
        ]
        assert stores.export(store, tmp_path / "all.csv") == 6
        assert stores.export(store, tmp_path / "some.json", space="darts", proxy=None) == 2
        assert "arch 2" in (tmp_path / "all.csv").read_text()
        with pytest.raises(InputError, match="must end in .csv or .json"):
            stores.export(store, tmp_path / "all.txt")
        assert store.prune(status="failed") == 1
        assert store.prune(version_not=stores.__version__) == 2
        assert [run["space"] for run in store.runs()] == ["nasbench201"]
        assert store.get(RUN, "key 00001") == row(1)


def test_journals_keep_their_order_and_refuse_a_second_writer(tmp_path):
    with Store(tmp_path / "scores.sqlite") as store, Store(tmp_path / "scores.sqlite") as other:
        for number in range(3):
            store.append("search", number, {"number": number})
        assert [entry["number"] for entry in other.journal("search")] == [0, 1, 2]
        with pytest.raises(InputError, match="another process is at the same search"):
            other.append("search", 2, {"number": 7})
        store.forget("search", 1)
        assert [entry["number"] for entry in other.journal("search")] == [0]


def test_a_newer_store_is_refused_and_not_touched(tmp_path):
    path = tmp_path / "scores.sqlite"
    fill(path, 1)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="format 99, made by a newer version"):
        Store(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE songs (title TEXT)")
    database.close()
    with pytest.raises(InputError, match="another program"):
        Store(path)
    with pytest.raises(InputError, match="there is no store"):
        stores.existing(tmp_path / "none.sqlite")


@pytest.mark.parametrize("place", ["middle", "cut"])
def test_a_damaged_store_is_set_aside_and_what_it_holds_is_rescued(tmp_path, place):
    path = tmp_path / "scores.sqlite"
    fill(path, 2000)
    whole = path.read_bytes()
    if place == "middle":
        middle = len(whole) // 2 // 4096 * 4096
        path.write_bytes(whole[:middle] + b"\xa5" * 8192 + whole[middle + 8192 :])
    else:
        path.write_bytes(whole[: len(whole) * 3 // 4])
    damaged = path.read_bytes()
    with pytest.warns(RuntimeWarning, match="was damaged .* kept as"):
        store = Store(path)
    with store:
        found = {entry["key"]: entry["score"] for entry in store.rows()}
        assert all(found[key] == float(key.split()[1]) for key in found)
        assert len(found) > 1000
        store.put(RUN, "key 00000", row(0))
    aside = [file for file in tmp_path.iterdir() if ".damaged-" in file.name]
    assert damaged in [file.read_bytes() for file in aside]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fill(path, 5)


FILLER = """
import resource, signal, sys, warnings
from naslib_gennas.scoring.store import Row, Run, Store

run = Run("nasbench201", "p", "{}", "photos", 0)
with Store(sys.argv[1]) as store:
    if len(sys.argv) > 2:  # the file may grow no more
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(3000):
            store.put(run, f"key {number:05d}", Row("a" * 300, float(number), "ok", "", 0.1))
        assert all(store.get(run, f"key {number:05d}").score == number for number in range(3000))
    print(len(caught), bool(store.lost), caught[0].message if caught else "")
"""


def run_filler(*arguments):
    return forks.done(forks.script(FILLER, *arguments))


def check_prefix(path):
    with Store(path) as store:
        scores = [entry["score"] for entry in store.rows()]
    assert scores == [float(number) for number in range(len(scores))]
    return len(scores)


def test_a_disk_that_fills_up_costs_no_score(tmp_path):
    done = run_filler(tmp_path / "scores.sqlite", 400_000)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 True the store") and "going on in memory" in done.stdout
    assert 20 < check_prefix(tmp_path / "scores.sqlite") < 3000


@pytest.fixture()
def small_disk(tmp_path):
    """A file system of 1 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True)
    if not done or done.returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_file_system(small_disk):
    done = run_filler(small_disk / "scores.sqlite")
    assert done.returncode == 0, done.stderr
    assert "going on in memory" in done.stdout
    kept = check_prefix_of_full(small_disk / "scores.sqlite")
    assert 20 < kept < 3000
    (small_disk / "rest").write_bytes(b"\0" * max(0, os.statvfs(small_disk).f_bavail * 4096 - 8192))
    with pytest.raises(InputError, match="cannot be (written|made)"):
        Store(small_disk / "new" / "scores.sqlite")


def check_prefix_of_full(path):
    copy = path.parent.parent / "copy.sqlite"
    for ending in ("", "-wal"):
        if Path(f"{path}{ending}").exists():
            shutil.copy(f"{path}{ending}", f"{copy}{ending}")
    return check_prefix(copy)


def test_a_folder_that_cannot_be_written_is_an_error_before_work_starts(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="folder cannot be made"):
        Store(tmp_path / "file" / "scores.sqlite")
    with pytest.raises(InputError, match="is a folder"):
        Store(tmp_path)
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="cannot be written"):
            Store(tmp_path / "scores.sqlite")
    finally:
        tmp_path.chmod(0o700)

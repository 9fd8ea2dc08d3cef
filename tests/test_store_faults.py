"""What the store survives: files that are none of its own, damage, death, other processes, no right to write."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
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
OTHER = Run("darts", "synflow", canonical({"steps": 3}), "noise", 1)


def row(number):
    return Row(f"arch {number} " * (1 + number % 40), number / 7, "ok", "", 0.1, '{"losses": [[10, 0.5]]}')


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def fresh(script, *arguments):
    """A process that is no fork of this one: for a store that this one has open."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": ROOT}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


# ------------------------------------------------------------------------------------------ files that are no store


def foreign(path, kind):
    if kind == "csv":
        path.write_text("arch,accuracy\nmy only copy,1\n")
    elif kind == "long text":
        path.write_bytes(b"this is a note, not a store\n" * 3000)
    elif kind == "short":
        path.write_bytes(b"SQLite")
    elif kind == "zeros":
        path.write_bytes(b"\0" * 8192)
    elif kind == "header of a store damaged":
        with Store(path) as store:
            store.put(RUN, "key", row(1))
        path.write_bytes(b"\xff" * 100 + path.read_bytes()[100:])
    else:
        database = sqlite3.connect(path)
        if kind == "log of another program":
            database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE songs (title TEXT)")
        if kind == "marked by another program":
            database.execute("PRAGMA application_id = 7")
        if kind == "damaged database of another program":
            database.executemany("INSERT INTO songs VALUES (?)", [("la " * 400,)] * 100)
        database.commit()
        if kind == "log of another program":
            for ending in ("", "-wal"):
                path.with_name(f"copy{ending}").write_bytes(Path(f"{path}{ending}").read_bytes())
        database.close()
        if kind == "log of another program":
            for ending in ("", "-wal"):
                os.replace(path.with_name(f"copy{ending}"), f"{path}{ending}")
        if kind == "damaged database of another program":
            path.write_bytes(path.read_bytes()[:-20000] + b"\xa5" * 9000)


@pytest.mark.parametrize(
    "kind",
    [
        *("csv", "long text", "short", "zeros", "header of a store damaged", "database of another program"),
        *("marked by another program", "damaged database of another program", "log of another program"),
    ],
)
def test_a_file_that_is_no_store_is_refused_and_left_untouched(tmp_path, kind):
    path = tmp_path / "mine"
    foreign(path, kind)
    before = contents(tmp_path)
    for use in (Store, stores.existing):
        with pytest.raises(InputError, match="no store|another program") as refused:
            use(path)
        assert "\n" not in str(refused.value) and "--store" in str(refused.value)
    assert contents(tmp_path) == before


def test_the_command_refuses_it_in_one_line(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("arch,accuracy\nmy only copy,1\n")
    arch = "|none~0|+|none~0|nor_conv_1x1~1|+|nor_conv_1x1~0|none~1|none~2|"
    command = ["score", "nasbench201", arch, "--proxy", "params", "--store", file]
    done = forks.done(forks.command(command, cwd=tmp_path))
    assert done.returncode == 2 and "is no store" in done.stderr and "Traceback" not in done.stderr
    assert contents(tmp_path) == {"mine.csv": b"arch,accuracy\nmy only copy,1\n"}


@pytest.mark.parametrize("kind", ["folder", "fifo", "device", "link to a fifo", "too long", "null", "no such user"])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "store"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link to a fifo":
        os.mkfifo(tmp_path / "fifo")
        path.symlink_to(tmp_path / "fifo")
    else:
        named = {"device": "/dev/null", "too long": "x" * 300, "null": "a\0b", "no such user": "~nobody-here/x"}
        path = named[kind]
    with pytest.raises(InputError) as refused:
        Store(path)
    assert "\n" not in str(refused.value) and str(path).replace("\0", " ") in str(refused.value)
    if kind == "fifo":
        assert stat.S_ISFIFO(path.stat().st_mode)


def test_an_empty_file_becomes_a_store_unless_a_log_lies_beside_it(tmp_path):
    path = tmp_path / "scores.sqlite"
    path.touch()
    with Store(path) as store:
        store.put(RUN, "key", row(1))
    assert Store(path).get(RUN, "key") == row(1)
    lost = tmp_path / "lost.sqlite"
    lost.touch()
    Path(f"{lost}-wal").write_bytes(b"scores")
    with pytest.raises(InputError, match="'lost.sqlite-wal' beside it is not"):
        Store(lost)
    assert Path(f"{lost}-wal").read_bytes() == b"scores"


def test_a_store_whose_mark_is_in_its_log_only_is_opened(tmp_path):
    """As earlier versions left it when they were killed early."""
    path, copy = tmp_path / "scores.sqlite", tmp_path / "copy.sqlite"
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    with Store() as memory:
        database.executescript("\n".join(memory._database.iterdump()).replace("BEGIN TRANSACTION;", "BEGIN;"))
    database.execute("PRAGMA application_id = 0x474E4E53")
    for ending in ("", "-wal"):
        Path(f"{copy}{ending}").write_bytes(Path(f"{path}{ending}").read_bytes())
    database.close()
    assert b"GNNS" not in copy.read_bytes()[:100]
    with Store(copy) as store:
        store.put(RUN, "key", row(1))
        assert len(list(store.rows())) == 1


# ----------------------------------------------------------------------------------------------------------- damage


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The bytes of a store, and what was written into it."""
    path = tmp_path_factory.mktemp("whole") / "scores.sqlite"
    with Store(path) as store:
        for number in range(300):
            run = RUN if number % 3 else OTHER
            store.put(run, f"key {number:04d}", row(number))
        store.put(RUN, "bad", Row("x", -math.inf, "diverged", "nan", 0.0))
        for number in range(60):
            store.append("search", number, {"number": number, "genome": "g" * number})
        rows = list(store.rows())
        known = {(entry["space"], entry["key"]): entry for entry in rows}
        journal = store.journal("search")
    return path.read_bytes(), known, journal


def damage(whole, draw):
    """Cut, overwrite or flip, anywhere but in the mark that says whose file it is."""
    kind = draw.choice(["cut", "flip", "flips", "block", "shift"])
    if kind == "cut":
        return kind, whole[: draw.randrange(100, len(whole))]
    damaged = bytearray(whole)
    if kind == "block":
        start, length = draw.randrange(100, len(whole)), draw.randrange(1, 9000)
        damaged[start : start + length] = draw.choice([b"\0", b"\xa5", bytes([draw.randrange(256)])]) * len(
            damaged[start : start + length]
        )
    elif kind == "shift":
        page = draw.randrange(1, len(whole) // 4096) * 4096
        other = draw.randrange(1, len(whole) // 4096) * 4096
        damaged[page : page + 4096] = whole[other : other + 4096]
    else:
        for _ in range(1 if kind == "flip" else draw.randrange(2, 200)):
            damaged[draw.randrange(100, len(whole))] ^= 1 << draw.randrange(8)
    return kind, bytes(damaged)


def check_damaged(path, known, journal):
    """Nothing is read that was not written, and the store works from then on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Store(path) as store:
            store.runs()
            for entry in store.rows():
                assert entry == known.get((entry["space"], entry["key"])), entry
            for number in range(300):
                run, key = (RUN if number % 3 else OTHER), f"key {number:04d}"
                assert store.get(run, key) in (row(number), None)
            found = store.journal("search")
            assert found == journal[: len(found)]
            for number in range(len(found), len(journal)):
                store.append("search", number, journal[number])
            for number in range(0, 300, 17):
                assert store.put(RUN if number % 3 else OTHER, f"key {number:04d}", row(number)) == row(number)
            stores.export(store, path.with_name("all.json"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Store(path) as store:
            assert store.journal("search") == journal
            for number in range(0, 300, 17):
                assert store.get(RUN if number % 3 else OTHER, f"key {number:04d}") == row(number)
            store.prune(space="darts")


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_store_never_gives_a_row_that_was_not_written(tmp_path, written, seed):
    whole, known, journal = written
    draw = random.Random(seed)
    for number in range(int(os.environ.get("GENNAS_FUZZ", 96)) // 8):
        path = tmp_path / str(number) / "scores.sqlite"
        path.parent.mkdir()
        kind, damaged = damage(whole, draw)
        path.write_bytes(damaged)
        try:
            check_damaged(path, known, journal)
        except BaseException:
            print(f"seed {seed}, number {number}, {kind}")
            raise
        kept = [file.read_bytes() for file in path.parent.iterdir() if ".damaged-" in file.name]
        assert not kept or damaged in kept


def test_a_damaged_header_is_mended_or_refused(tmp_path, written):
    whole, known, journal = written
    draw = random.Random(0)
    for place in range(0, 100, 3):
        path = tmp_path / str(place) / "scores.sqlite"
        path.parent.mkdir()
        damaged = bytearray(whole)
        damaged[place] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            check_damaged(path, known, journal)
        except InputError as refused:
            assert "\n" not in str(refused)
            assert path.read_bytes() == damaged and [path] == list(path.parent.iterdir())


def test_rows_of_earlier_versions_have_no_check_sum_and_stay(tmp_path):
    path = tmp_path / "scores.sqlite"
    old = Run("nasbench201", "synflow", "{}", "photos", 0, "0.0.1")
    with Store(path) as store:
        run = store._run(old)
        with store._database as database:
            values = (1.5, "ok", "", 0.1, '{"losses": [1.0]}', 1.6e9)
            database.execute("INSERT INTO scores VALUES (?, 'key', 'arch', ?, ?, ?, ?, ?, ?)", (run, *values))
            database.execute(
                "INSERT INTO scores VALUES (?, 'other', 'arch', 2.5, 'great', '', 0.1, '{}', 1.6e9)", (run,)
            )
            database.execute("INSERT INTO scores VALUES (?, 'third', 'arch', 2.5, 'ok', '', 0.1, '[}', 1.6e9)", (run,))
            database.execute("INSERT INTO journals VALUES ('old', 0, '{\"number\": 0}')")
    with Store(path) as store:
        assert store.get(old, "key") == Row("arch", 1.5, "ok", "", 0.1, '{"losses": [1.0]}')
        assert [entry["key"] for entry in store.rows()] == ["key"]
        assert store.journal("old") == [{"number": 0}]
        assert stores.export(store, tmp_path / "all.json") == 1
    assert json.loads((tmp_path / "all.json").read_text())[0]["details"] == {"losses": [1.0]}


def test_two_damaged_files_in_one_second_are_both_kept(tmp_path, written):
    path = tmp_path / "scores.sqlite"
    for number in range(3):
        path.write_bytes(written[0][: 50_000 + number])
        with pytest.warns(RuntimeWarning, match="was damaged"):
            Store(path).close()
    aside = [
        file for file in tmp_path.iterdir() if ".damaged-" in file.name and not file.name.endswith(("-wal", "-shm"))
    ]
    assert sorted(file.stat().st_size for file in aside) == [50_000, 50_001, 50_002]


# ------------------------------------------------------------------------------------------------- death and company

WRITER = """
import sys
from naslib_gennas.scoring.store import Row, Run, Store

name, count = sys.argv[2], int(sys.argv[3])
run = Run("nasbench201", "p", "{}", "photos", 0)
with Store(sys.argv[1]) as store:
    for number in range(count):
        kept = store.put(run, f"{name} {number:06d}", Row(f"arch {number}", float(number), "ok", "", 0.1))
        assert kept.score == number
        store.put(run, f"shared {number:06d}", Row(name, 1.0, "ok", "", 0.1))
        store.append(f"search {name}", number, {"number": number})
        print(number, flush=True)
"""


def test_a_kill_while_writing_loses_no_score_that_was_reported(tmp_path):
    path, draw = tmp_path / "scores.sqlite", random.Random(0)
    for attempt in range(6):
        process = forks.script(WRITER, path, f"w{attempt}", 1_000_000)
        read = draw.randrange(1, 300)
        for _ in range(read):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        reported = read + len(process.stdout.read().split())
        process.wait()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Store(path) as store:
                numbers = [entry["score"] for entry in store.rows() if entry["key"].startswith(f"w{attempt} ")]
                assert numbers == [float(number) for number in range(len(numbers))]
                assert len(numbers) >= reported
                assert len(store.journal(f"search w{attempt}")) >= reported


@pytest.mark.parametrize("count", [2, 4])
def test_several_processes_share_a_store_that_none_had_made(tmp_path, count):
    path = tmp_path / "scores.sqlite"
    processes = [forks.script(WRITER, path, f"w{number}", 60) for number in range(count)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0 and not errors, errors
    with Store(path) as store:
        keys = [entry["key"] for entry in store.rows()]
        assert len(keys) == 60 * (count + 1) == len(set(keys))
        assert all(len(store.journal(f"search w{number}")) == 60 for number in range(count))


def test_a_store_that_is_set_aside_meanwhile_is_followed_to_its_new_place(tmp_path):
    path = tmp_path / "scores.sqlite"
    with Store(path) as store:
        store.put(RUN, "before", row(0))
        for ending in ("", "-wal", "-shm"):
            os.replace(f"{path}{ending}", tmp_path / f"aside{ending}")
        with Store(path) as other:
            other.put(RUN, "theirs", row(1))
            store.put(RUN, "after", row(2))
    with Store(path) as store:
        assert [entry["key"] for entry in store.rows()] == ["after", "theirs"]
    with Store(tmp_path / "aside") as store:
        assert [entry["key"] for entry in store.rows()] == ["before"]


def test_a_second_store_in_one_process_leaves_the_locks_of_the_first_alone(tmp_path):
    path = tmp_path / "scores.sqlite"
    with Store(path) as store:
        store.put(RUN, "one", row(1))
        Store(path).close()
        stores.existing(path).close()
        done = fresh(WRITER, path, "other", 3)  # the last to close a database deletes its log
        assert done.wait(60) == 0
        assert Path(f"{path}-wal").exists()
        store.put(RUN, "two", row(2))
    assert len(list(Store(path).rows())) == 8


def test_a_clock_that_goes_backwards_changes_nothing_but_times(tmp_path, monkeypatch):
    times = iter([2e9, 1e9, 1.5e9, 0.0])
    monkeypatch.setattr(time, "time", lambda: next(times, 1.0))
    with Store(tmp_path / "scores.sqlite") as store:
        for number in range(4):
            store.put(RUN, f"key {number}", row(number))
            store.append("search", number, {"number": number})
        assert [entry["created"] for entry in store.rows()] == [2e9, 1e9, 1.5e9, 0.0]
        assert [store.get(RUN, f"key {number}") for number in range(4)] == [row(number) for number in range(4)]
        assert [entry["number"] for entry in store.journal("search")] == [0, 1, 2, 3]
        assert store.runs()[0]["last"] == 2e9


def test_a_reason_with_bytes_that_are_no_text_is_kept(tmp_path):
    with Store(tmp_path / "scores.sqlite") as store:
        kept = store.put(RUN, "key", Row("a", -math.inf, "diverged", "no file 'x\udcff'", 0.0))
        assert kept.reason == "no file 'x\\udcff'"


# ---------------------------------------------------------------------------------------------------- only to be read

READER = """
import os, sys, warnings
from naslib_gennas.scoring import store as stores
from naslib_gennas.scoring.store import Row, Run, Store

path = sys.argv[1]
os.chdir(os.path.dirname(path))
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
run = Run("nasbench201", "p", "{}", "photos", 0)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    with Store(path) as store:
        assert store.get(run, "w 000001").score == 1.0
        assert len(list(store.rows())) == 20 and store.runs()[0]["scores"] == 20
        assert not caught
        for number in range(3):
            store.put(run, f"new {number}", Row("a", 2.0, "ok", "", 0.1))
            assert store.get(run, f"new {number}").score == 2.0
        assert len(store.journal("search w")) == 10
        store.append("search w", 10, {"number": 10})
        assert len(store.journal("search w")) == 11
    with stores.existing(path) as store:
        assert len(list(store.rows())) == 20
        try:
            store.prune()
        except stores.InputError as error:
            print(error)
print(len(caught), caught[0].message)
"""


@pytest.fixture()
def open_folder():
    """A folder that other users may enter: pytest's own may not be."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)
        os.chmod(folder, 0o755)


@pytest.mark.parametrize("how", ["file", "folder", "folder with a log", "open elsewhere"])
def test_a_store_that_may_only_be_read_is_read(open_folder, how):
    path = open_folder / "scores.sqlite"
    writer = forks.script(WRITER, path, "w", 10)
    assert writer.wait(60) == 0
    if how == "folder with a log":
        holder = Store(path)
        with holder._database:
            holder._database.execute("CREATE TABLE probe (x)")
            holder._database.execute("DROP TABLE probe")
        for ending in ("", "-wal"):
            (open_folder / f"copy{ending}").write_bytes(Path(f"{path}{ending}").read_bytes())
        holder.close()
        path = open_folder / "copy"
        assert Path(f"{path}-wal").stat().st_size
    other = Store(path) if how == "open elsewhere" else None
    for file in open_folder.iterdir():
        file.chmod(0o444)
    open_folder.chmod(0o755 if how == "file" else 0o555)
    before = contents(open_folder)
    reader = (forks.script if other is None else fresh)(READER, path)
    out, errors = reader.communicate(timeout=60)
    assert reader.returncode == 0, errors
    assert f"the store '{path}' may only be read: nothing was deleted" in out
    assert f"1 the store '{path}' may only be read; what is computed now is kept in memory only" in out
    if other is None:
        assert contents(open_folder) == before
    else:
        other.close()


def test_a_store_on_a_full_disk_can_be_listed(tmp_path, monkeypatch):
    path = tmp_path / "scores.sqlite"
    with Store(path) as store:
        store.put(RUN, "key", row(1))
    script = f"""
import resource, signal
from naslib_gennas.scoring import store as stores
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
with stores.existing({str(path)!r}) as store:
    print([entry["key"] for entry in store.rows()])
try:
    stores.Store({str(path)!r})
except stores.InputError as error:
    print(error)
"""
    out, errors = forks.script(script).communicate(timeout=60)
    assert out.startswith("['key']\n") and "cannot be written" in out and not errors, errors

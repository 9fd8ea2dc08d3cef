"""Files that commands write: whole or not at all, and never in place of a pipe, a device or a link."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from naslib_gennas import files
from naslib_gennas.errors import InputError

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX files")
full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


@posix
def test_a_pipe_gets_the_whole_result_and_stays_a_pipe(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    files.check_writable(pipe)  # must not open it: that would be the end for the reader
    files.write_json(pipe, {"a": 1})
    reader.join(20)
    assert json.loads(got[0]) == {"a": 1} and pipe.is_fifo() and os.listdir(tmp_path) == ["pipe"]


@posix
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "real.json").write_text("before")
    (tmp_path / "link.json").symlink_to(tmp_path / "kept" / "real.json")
    files.write(tmp_path / "link.json", "after")
    assert (tmp_path / "link.json").is_symlink() and (tmp_path / "kept" / "real.json").read_text() == "after"


def limited(code: str, folder: Path) -> subprocess.CompletedProcess:
    """Runs code where no file may have more than 1,000 bytes, which answers as a full disk does."""
    before = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", before + code], cwd=folder, capture_output=True, text=True, timeout=120
    )


@posix
def test_without_room_the_file_before_stays_and_nothing_lies_beside_it(tmp_path):
    (tmp_path / "a.txt").write_text("before")
    done = limited(
        "from naslib_gennas import files\n"
        "try: files.write('a.txt', 'x' * 5000)\n"
        "except OSError as error: print(error.strerror)",
        tmp_path,
    )
    assert "too large" in done.stdout and not done.stderr
    assert (tmp_path / "a.txt").read_text() == "before" and os.listdir(tmp_path) == ["a.txt"]


@full
@pytest.mark.parametrize(
    "option", ["export-scores nasbench201 --n 2 --truth none --to", "rank nasbench201 --n 2 --json"]
)
def test_a_command_without_room_for_its_file_says_so_in_one_line(tmp_path, option):
    (tmp_path / "a.json").symlink_to("/dev/full")
    proxy = "--proxies params" if "export" in option else "--proxy params --truth none"
    arguments = [*option.split(), "a.json", *proxy.split(), "--workers", "1", "--store", "scores.sqlite"]
    done = subprocess.run(
        [sys.executable, "-m", "naslib_gennas", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2 and (tmp_path / "a.json").is_symlink()
    assert done.stderr.splitlines() == ["Error: output file 'a.json' cannot be written: No space left on device"]


@full
@pytest.mark.parametrize("arguments", [["spaces"], ["--help"], ["truth", "list"]])
def test_output_that_has_no_place_is_an_error(arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "naslib_gennas", *arguments], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1 and done.stderr.splitlines() == [
        "Error: the output cannot be written: No space left on device"
    ]


def test_a_folder_or_a_missing_folder_is_refused_beforehand(tmp_path):
    for path, message in ((tmp_path, "is a folder"), (tmp_path / "no" / "a.json", "there is no folder")):
        with pytest.raises(InputError, match=message):
            files.check_writable(path)

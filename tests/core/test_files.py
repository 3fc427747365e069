"""Files are written whole or not at all, on real full, read-only and missing places."""

from __future__ import annotations

import errno
import json
import os
import random
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vae_studio.core.errors import UserError
from vae_studio.core.files import FileError, make_folder, write_atomically

linux = pytest.mark.skipif(sys.platform != "linux", reason="mounts and limits of Linux")

ATTEMPT = """
import json, sys
from pathlib import Path
from vae_studio.core.files import FileError, make_folder, write_atomically
path, size = Path(sys.argv[1]), int(sys.argv[2])
said = ""
try:
    make_folder(path) if size < 0 else write_atomically(path, bytes(size))
except FileError as error:
    said = str(error)
folder = path if size < 0 else path.parent
print(json.dumps([said, sorted(p.name for p in folder.iterdir()), path.is_file() and path.read_bytes().decode()]))
"""


def on_a_disk(folder: Path, setting_up: str, path: Path, size: int) -> list[object]:
    """What ATTEMPT says after `setting_up` with a file system of 256 kB mounted on `folder`, for it alone to see."""
    folder.mkdir()
    where, python = shlex.quote(str(folder)), shlex.quote(sys.executable)
    mount = f"mount -t tmpfs -o size=256k none {where}"
    enter = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
    if not shutil.which("unshare") or subprocess.run([*enter, mount], capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    script = (
        f"{mount}\ncd {where}\n{setting_up}\ncd /\n{python} -c {shlex.quote(ATTEMPT)} {shlex.quote(str(path))} {size}"
    )
    done = subprocess.run([*enter, script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_new_files_and_replaces_old_ones(tmp_path: Path) -> None:
    path = tmp_path / "größe 1.bin"
    for content in (b"first", b"", bytes(range(256)) * 1000):
        write_atomically(path, content)
        assert path.read_bytes() == content
        assert names(tmp_path) == [path.name]


@linux
def test_a_full_disk_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "disk" / "model.bin"
    said, left, content = on_a_disk(path.parent, "printf old > model.bin", path, 10_000_000)
    assert said == f"{path} was not written: the disk is full."
    assert (left, content) == (["model.bin"], "old")


@linux
def test_a_read_only_disk_is_named(tmp_path: Path) -> None:
    path = tmp_path / "disk" / "model.bin"
    said, left, content = on_a_disk(path.parent, "printf old > model.bin; mount -o remount,ro $PWD", path, 3)
    assert said == f"{path} was not written: the disk is read-only."
    assert (left, content) == (["model.bin"], "old")


@linux
def test_a_folder_that_takes_no_files_is_refused_before_anything_is_put_there(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    said, left, _ = on_a_disk(folder, "mkdir runs; mount -o remount,ro $PWD", folder / "runs", -1)
    assert said == f"The folder {folder / 'runs'} takes no files: the disk is read-only."
    assert left == []


@linux
def test_a_limit_on_the_size_of_files_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"old")
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n{ATTEMPT}"
    done = subprocess.run([sys.executable, "-c", limited, path, "200000"], capture_output=True, text=True, check=True)
    said, left, content = json.loads(done.stdout)
    assert said == f"{path} was not written: files may not become that large there."
    assert (left, content) == (["model.bin"], "old")


@linux
def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    code = (
        "import sys\nfrom pathlib import Path\nfrom vae_studio.core.files import write_atomically\n"
        "for i in range(1000):\n    write_atomically(Path(sys.argv[1]), bytes([i % 256]) * 4_000_000)\n"
        "    print(i, flush=True)\n"
    )
    chance = random.Random(0)
    for _ in range(4):
        with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            time.sleep(chance.uniform(0.0, 0.05))
            writer.send_signal(signal.SIGKILL)
        assert writer.returncode == -signal.SIGKILL
        content = path.read_bytes()
        assert len(content) == 4_000_000
        assert len(set(content)) == 1


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("missing/model.bin", "the folder does not exist"),
        ("file/model.bin", "part of the path is a file, not a folder"),
        ("folder", "there is a folder of that name"),
        ("n" * 300, "the name is too long"),
    ],
)
def test_what_is_in_the_way_is_said_in_plain_words(tmp_path: Path, target: str, why: str) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "folder").mkdir()
    path = tmp_path / target
    with pytest.raises(FileError) as caught:
        write_atomically(path, b"new")
    assert str(caught.value) == f"{path} was not written: {why}."
    assert isinstance(caught.value, UserError)
    assert names(tmp_path) == ["file", "folder"]
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path / "folder") == []


def test_a_name_of_the_greatest_length_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions")
@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077, 0o002])
def test_permissions_are_those_of_any_other_file(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "ours", b"1")
        (tmp_path / "usual").write_bytes(b"1")
    finally:
        assert os.umask(before) == mask
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_content_reaches_the_disk_before_the_name_and_the_name_before_it_returns(tmp_path, monkeypatch) -> None:
    path, order = tmp_path / "model.bin", []
    path.write_bytes(b"old")
    sync, replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        status = os.fstat(handle)
        order.append(f"sync of {'the folder' if stat.S_ISDIR(status.st_mode) else status.st_size}")
        sync(handle)

    def rename(self: Path, target: Path) -> Path:
        order.append(f"rename over {target.read_bytes().decode()}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", rename)
    write_atomically(path, b"four")
    assert order == ["sync of 4", "rename over old", "sync of the folder"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError(errno.EIO, "Input/output error")])
def test_an_interruption_leaves_no_part_of_a_file(tmp_path, monkeypatch, interruption) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"old")

    def fsync(_: int) -> None:
        assert len(names(tmp_path)) == 2
        raise interruption

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(KeyboardInterrupt if interruption is KeyboardInterrupt else FileError):
        write_atomically(path, b"new")
    assert names(tmp_path) == ["model.bin"]
    assert path.read_bytes() == b"old"


def test_folders_are_made_with_their_parents_and_may_be_there(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert make_folder(folder) == folder
    assert make_folder(folder) == folder
    assert names(folder) == []


@pytest.mark.parametrize(
    ("target", "words"),
    [("file", "is a file, not a folder."), ("file/below", "part of the path is a file, not a folder.")],
)
def test_a_file_in_the_place_of_a_folder_is_said(tmp_path: Path, target: str, words: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError) as caught:
        make_folder(tmp_path / target)
    assert str(tmp_path / target) in str(caught.value)
    assert str(caught.value).endswith(words)

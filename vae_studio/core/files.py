"""Writing files so that a crash, a kill or a full disk leaves the old file or the new one, whole."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from vae_studio.core.errors import UserError


class FileError(UserError, OSError):
    """A file could not be written or read; the message names it and says why in plain words."""


_WHY = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your disk quota is used up",
    errno.EACCES: "you have no permission to write there",
    errno.EPERM: "you have no permission to write there",
    errno.EROFS: "the disk is read-only",
    errno.ENOENT: "the folder does not exist",
    errno.ENOTDIR: "part of the path is a file, not a folder",
    errno.EISDIR: "there is a folder of that name",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EFBIG: "files may not become that large there",
}


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` into `path`: written beside it, synced, then renamed over it, and the folder synced.

    Raises FileError, with the old file untouched and nothing left behind.
    """
    temporary = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:32]}.", suffix=".part")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            # mkstemp makes files for the owner alone; a saved file has the usual permissions.
            if hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), 0o666 & ~_umask())
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        if temporary:
            with contextlib.suppress(OSError):
                temporary.unlink()
        if not isinstance(error, OSError):
            raise
        why = _WHY.get(error.errno, error.strerror or str(error))
        raise FileError(f"{path} was not written: {why}.") from error
    _sync_folder(path.parent)


def make_folder(path: Path) -> Path:
    """The folder, made if need be, with its parents. Raises FileError, also where nothing can be put into it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise FileError(f"{path} is a file, not a folder.") from None
    except OSError as error:
        raise FileError(f"The folder {path} was not made: {_WHY.get(error.errno, error.strerror)}.") from error
    try:
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        raise FileError(f"The folder {path} takes no files: {_WHY.get(error.errno, error.strerror)}.") from error
    return path


def _umask() -> int:
    """The process's file mode mask, read without the moment of change that `os.umask` needs, where possible."""
    with contextlib.suppress(OSError, ValueError):
        status = Path("/proc/self/status").read_text()
        return int(status.partition("Umask:")[2].split()[0], 8)
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; some systems cannot open folders, and need not."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

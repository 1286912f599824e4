"""How does a file appear whole or not at all, whatever happens while it is written?

Bytes go to a temporary file beside the target, are forced to the disk, and take the target's name in one
step. Whoever reads sees the old file or the new one; a full disk or a kill leaves the old one.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from convsight.errors import StorageError

ADVICE = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your disk quota is used up; free some space",
    errno.EFBIG: "a file may not grow so large here (ulimit -f); raise the limit",
    errno.EACCES: "no permission to write there; choose another folder",
    errno.EPERM: "no permission to write there; choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
}


def write_atomic(path: str | Path, content: bytes | str) -> Path:
    """Write `content` to `path`, whole or not at all; StorageError names the path and what to do."""
    path = Path(path)
    content = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        part = Path(name)
        try:
            _write_synced(handle, content)
            part.chmod(0o644)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, len(content), error) from error
    return path


def write_json(path: str | Path, value: Any) -> Path:
    """`value` as indented JSON, whole or not at all."""
    return write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_json_lines(path: str | Path, rows: Iterable[Any]) -> Path:
    """One JSON value a line, whole or not at all."""
    return write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def storage_error(path: Path, size: int, error: OSError) -> StorageError:
    advice = ADVICE.get(error.errno or 0, error.strerror or str(error))
    return StorageError(
        f"cannot write {path} ({size:,} bytes): {advice}. What was written before is unharmed"
    )


def _write_synced(handle: int, content: bytes) -> None:
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """The new name itself must reach the disk too; some systems cannot open folders, and do without."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

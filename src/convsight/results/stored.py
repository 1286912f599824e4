"""Where do results stay between the program that computed them and the next that asks the same?

Each stored result has a folder of its own, named by the result's key. It holds the files of `results.files`, and
files that were made from the result later, such as a report's figure. A folder appears whole or not at all. When all
of them together exceed a bound, those that were used longest ago are deleted.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from convsight.errors import ConvsightError, DataError, InputError, StorageError
from convsight.results.files import WORDS, from_files, to_files
from convsight.results.provenance import Provenance
from convsight.results.result import Result
from convsight.storage import storage_error, write_atomic

MOST_BYTES = 512 * 2**20
KEY_DIGITS = 24
ABANDONED_S = 3600  # after which a folder that a killed program was writing is taken away
LOG = logging.getLogger("convsight.results")


@dataclass(frozen=True)
class StoredResult:
    """One stored result: its key, size on the disk and when it was last used (seconds since 1970)."""

    key: str
    path: Path
    bytes: int
    used: float

    @property
    def words(self) -> dict[str, str]:
        """The method that made it and its title, as far as they can be read."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            ((kind, body),) = json.loads((self.path / WORDS).read_text())["result"].items()
            made = body.get("provenance", {}).get("Provenance", {})
            return {"kind": kind, "title": body.get("title", ""), "method": made.get("method", "")}
        return {"kind": "", "title": "cannot be read", "method": ""}


@dataclass(frozen=True)
class Results:
    """Results on disk by their key (`Provenance.key`), at most about `most_bytes` of them together.

    >>> import tempfile
    >>> import convsight as cs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     results = Results(Path(folder))
    ...     results.put("0" * 24, cs.Table(title="T", columns=("n",), rows=((1,),)))
    ...     results.get("0" * 24).rows, results.clear()
    (((1,),), 1)
    """

    path: Path
    most_bytes: int = MOST_BYTES

    def get(self, key: str) -> Result | None:
        """The result stored under `key`; None if there is none, or (said in the log) if it cannot be read."""
        folder = self.path / key
        if not key or not folder.is_dir():
            return None
        try:
            files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
            found = from_files(files)
        except (DataError, OSError) as error:
            LOG.warning("%s is computed again: %s", folder, error)
            shutil.rmtree(folder, ignore_errors=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(folder)  # which says when it was last used
        return found

    def put(self, key: str, result: Result) -> None:
        """Store `result` under `key`; what is there already stays. StorageError if it cannot be written."""
        files = to_files(result)
        if sum(map(len, files.values())) > self.most_bytes:
            return
        self._write(key, files)
        self._make_room()

    def once(self, provenance: Provenance, make: Callable[[], Result]) -> Result:
        """The stored result of that provenance, or what `make` answers, which is then stored.

        What cannot be stored (a full disk, a read-only folder) is said in the log and answered all the same.
        """
        found = self.get(provenance.key)
        if found is None:
            found = make()
            self.keep(provenance.key, found)
        return found

    def keep(self, key: str, result: Result) -> None:
        """Store `result` if it has a key and can be stored; never raises what `put` raises."""
        try:
            if key:
                self.put(key, result)
        except StorageError as error:
            LOG.warning("the result is not kept: %s", error)
        except InputError:  # it holds something that no file can hold, so it is computed each time
            LOG.debug("%s cannot be stored", key, exc_info=True)

    def drop(self, key: str) -> None:
        """Take away what is stored under `key`."""
        if key:
            shutil.rmtree(self.path / key, ignore_errors=True)

    def beside(self, key: str, name: str, make: Callable[[], bytes]) -> bytes:
        """The file `name` beside a stored result, made and added when it is first asked for."""
        folder = self.path / key
        if not key or not folder.is_dir():
            return make()
        with contextlib.suppress(OSError):
            return (folder / name).read_bytes()
        content = make()
        with contextlib.suppress(ConvsightError):
            write_atomic(folder / name, content)
        return content

    def entries(self) -> list[StoredResult]:
        """Every stored result, the one used last first."""
        if not self.path.is_dir():
            return []
        folders = [f for f in self.path.iterdir() if len(f.name) == KEY_DIGITS and f.is_dir()]
        found = [StoredResult(f.name, f, _size(f), f.stat().st_mtime) for f in folders]
        return sorted(found, key=lambda entry: -entry.used)

    def clear(self) -> int:
        """Take away every stored result; returns how many there were."""
        entries = self.entries()
        for entry in entries:
            shutil.rmtree(entry.path, ignore_errors=True)
        return len(entries)

    def _write(self, key: str, files: Mapping[str, bytes]) -> None:
        target, part = self.path / key, None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=f".{key}.", dir=self.path))
            for name, content in files.items():
                (part / name).write_bytes(content)
            part.chmod(0o755)
            part.rename(target)
        except OSError as error:
            if not target.is_dir():  # another program may have stored the same meanwhile
                raise storage_error(target, sum(map(len, files.values())), error) from error
        finally:
            if part is not None:
                shutil.rmtree(part, ignore_errors=True)

    def _make_room(self) -> None:
        """Delete the results used longest ago until the others are within the bound, and abandoned folders."""
        room = self.most_bytes
        for entry in self.entries():
            room -= entry.bytes
            if room < 0:
                shutil.rmtree(entry.path, ignore_errors=True)
        for part in self.path.glob(".*"):
            with contextlib.suppress(OSError):
                if time.time() - part.stat().st_mtime > ABANDONED_S:
                    shutil.rmtree(part, ignore_errors=True)


def _size(folder: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(file.stat().st_size for file in folder.iterdir())
    return 0

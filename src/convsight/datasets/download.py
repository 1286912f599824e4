"""How does a file get from a mirror onto the disk, whole and checked, even over a broken line?"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from convsight import __version__
from convsight.errors import DataNotFound, StorageError

Progress = Callable[[str, int, int], None]  # (what, done, total): bytes of a file, or pictures

CHUNK = 1 << 17


def md5_of(path: Path) -> str:
    """The md5 of a file, as published beside data sets: against damage, not against an adversary."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def download(
    urls: Sequence[str],
    target: Path,
    md5: str,
    *,
    progress: Progress | None = None,
    timeout: float | int = 15.0,
) -> Path:
    """Fetch a file from the first mirror that gives the right bytes, and put it at `target` at once.

    What was fetched before a line broke is kept in `<target>.part` and continued (HTTP Range); a mirror that
    does not continue starts again. The file appears under its name only when its md5 is right.

    timeout: seconds without an answer. Raises DataNotFound (what each mirror answered), StorageError.
    """
    part = target.with_name(target.name + ".part")
    answers = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for url in urls:
            answer = _try(url, part, md5, progress, timeout)
            if answer is None:
                return part.replace(target)
            answers.append(f"{url}: {answer}")
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror or error}") from error
    raise DataNotFound(f"{target.name} could not be downloaded; " + "; ".join(answers))


def _try(url: str, part: Path, md5: str, progress: Progress | None, timeout: float) -> str | None:
    """None once `part` holds the file, otherwise what went wrong; a bad continuation is started afresh."""
    resumed = part.exists() and part.stat().st_size > 0
    answer = _fetch(url, part, progress, timeout)
    if answer is None and (found := md5_of(part)) != md5:
        part.unlink()
        answer = f"wrong checksum (md5 {found}, not {md5})"
    if answer is not None and resumed and not part.exists():
        return _try(url, part, md5, progress, timeout)
    return answer


def _fetch(url: str, part: Path, progress: Progress | None, timeout: float) -> str | None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": f"convsight/{__version__}"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as reply:
            return _receive(reply, part, have if reply.status == 206 else 0, progress)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # the part is as long as the file or longer: its checksum decides
            return None
        return f"the server answered {error.code} {error.reason}"
    except urllib.error.URLError as error:
        return f"no connection ({error.reason})"
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        return f"the line broke ({error or type(error).__name__})"


def _receive(reply: http.client.HTTPResponse, part: Path, have: int, progress: Progress | None) -> str | None:
    total = have + int(reply.headers.get("Content-Length") or 0)
    with part.open("ab" if have else "wb") as file:
        while chunk := reply.read(CHUNK):
            file.write(chunk)
            have += len(chunk)
            if progress:
                progress(part.name.removesuffix(".part"), have, total)
    return f"the line broke after {have} of {total} bytes" if have < total else None

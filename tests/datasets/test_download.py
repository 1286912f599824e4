"""Does a download arrive whole over broken lines, wrong bytes and servers that do not continue?"""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from convsight.datasets.download import download
from convsight.errors import DataNotFound, StorageError

CONTENT = bytes(i * 7 % 256 for i in range(300_000))
MD5 = hashlib.md5(CONTENT).hexdigest()


class Mirror(BaseHTTPRequestHandler):
    """One server, one behaviour a path: /good, /norange, /cut, /wrong; others are not found."""

    asked: list[tuple[str, str | None]]

    def do_GET(self):
        asked_range = self.headers.get("Range")
        self.asked.append((self.path, asked_range))
        kind = self.path.split("/")[1]
        if kind not in ("good", "norange", "cut", "wrong"):
            return self.send_error(404)
        body = CONTENT[::-1] if kind == "wrong" else CONTENT
        start = int(asked_range[6:-1]) if asked_range and kind != "norange" else 0
        if start >= len(body):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start : start + 100_000] if kind == "cut" else body[start:])
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def mirror():
    asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Mirror,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_file_arrives_whole_with_progress_and_nothing_beside_it(mirror, tmp_path):
    url, _ = mirror
    seen = []
    path = download([f"{url}/good/f"], tmp_path / "new" / "f", MD5, progress=lambda *a: seen.append(a))
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["f"]
    assert seen[-1] == ("f", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_a_broken_line_is_kept_and_continued_where_it_stopped(mirror, tmp_path):
    url, asked = mirror
    with pytest.raises(DataNotFound, match="line broke"):
        download([f"{url}/cut/f"], tmp_path / "f", MD5)
    assert not (tmp_path / "f").exists() and (tmp_path / "f.part").stat().st_size == 100_000
    seen = []
    download([f"{url}/good/f"], tmp_path / "f", MD5, progress=lambda *a: seen.append(a))
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert asked[-1] == ("/good/f", "bytes=100000-") and seen[0][1] > 100_000


def test_a_server_that_does_not_continue_starts_again(mirror, tmp_path):
    url, asked = mirror
    (tmp_path / "f.part").write_bytes(CONTENT[:1234])
    assert download([f"{url}/norange/f"], tmp_path / "f", MD5).read_bytes() == CONTENT
    assert len(asked) == 1


def test_a_stale_part_is_thrown_away_and_fetched_afresh(mirror, tmp_path):
    url, asked = mirror
    (tmp_path / "f.part").write_bytes(b"x" * 5000)
    assert download([f"{url}/good/f"], tmp_path / "f", MD5).read_bytes() == CONTENT
    assert [r for _, r in asked] == ["bytes=5000-", None]


@pytest.mark.parametrize("extra", [b"", b"too long"])
def test_a_part_that_is_complete_or_too_long_is_settled_by_its_checksum(mirror, tmp_path, extra):
    url, _ = mirror
    (tmp_path / "f.part").write_bytes(CONTENT + extra)
    assert download([f"{url}/good/f"], tmp_path / "f", MD5).read_bytes() == CONTENT


def test_wrong_bytes_are_refused_and_the_next_mirror_is_asked(mirror, tmp_path):
    url, asked = mirror
    assert download([f"{url}/wrong/f", f"{url}/good/f"], tmp_path / "f", MD5).read_bytes() == CONTENT
    assert [path for path, _ in asked] == ["/wrong/f", "/good/f"]
    with pytest.raises(DataNotFound, match=rf"wrong checksum \(md5 \w+, not {MD5}\)"):
        download([f"{url}/wrong/f"], tmp_path / "g", MD5)
    assert not list(tmp_path.glob("g*"))


def test_every_mirror_that_failed_says_how(mirror, tmp_path):
    url, _ = mirror
    with pytest.raises(
        DataNotFound, match=r"gone/f: the server answered 404.*127\.0\.0\.1:9/f: no connection"
    ):
        download([f"{url}/gone/f", "http://127.0.0.1:9/f"], tmp_path / "f", MD5)


def test_a_place_that_cannot_be_written_is_said(mirror, tmp_path):
    url, _ = mirror
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        download([f"{url}/good/f"], tmp_path / "file" / "f", MD5)

"""Bytes come out of an HTML file's text as they went in, and take less room than base64."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser

from convsight.studio.seven_bits import MOVED, bytes_of, text_of

EVERY = bytes(range(256)) * 7  # each byte at each of the seven places in which it may begin


@given(st.binary(max_size=600))
def test_bytes_come_back(content: bytes) -> None:
    text = text_of(content)
    assert bytes_of(text) == content
    assert not set(MOVED) & set(text) and all(ord(one) < 256 for one in text)


def test_a_byte_is_written_first_bit_first() -> None:
    assert text_of(b"\xfe\x00") == "\x7f" + "\x80" + "\x80"  # 1111111 0|000000 00|00000: zeros stand moved


def test_evenly_spread_bytes_take_less_than_a_fifth_more() -> None:
    assert len(text_of(EVERY).encode()) < 1.19 * len(EVERY)


@pytest.mark.parametrize("sent", [lambda page: page, lambda page: page.replace(b"\n", b"\r\n")])
def test_a_browser_reads_the_same_bytes_from_a_file_and_after_a_text_transfer(browser: Browser, tmp_path: Path, sent: object) -> None:  # fmt: skip
    page = f'<!doctype html><html><head><meta charset="utf-8">\n<script id="x" type="text/plain">{text_of(EVERY)}</script></head>\n</html>'
    file = tmp_path / "page.html"
    file.write_bytes(sent(page.encode()))  # type: ignore[operator]
    opened = browser.new_page()
    opened.goto(file.as_uri())
    codes = opened.evaluate(
        "Array.from(document.getElementById('x').textContent, (one) => one.charCodeAt(0))"
    )
    opened.close()
    assert bytes_of("".join(map(chr, codes))) == EVERY

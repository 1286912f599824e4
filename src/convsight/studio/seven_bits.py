"""How do bytes stand in an HTML file as text, in less room than base64 and safe wherever the page goes?

Seven bits make a character of ASCII, which UTF-8 writes as one byte: 8/7 of the bytes, where base64 takes 4/3. Five
characters do not come through HTML or a text transfer unchanged, and stand 128 places higher, where UTF-8 takes two
bytes: a reader gets the seven bits back as `code & 127`, whichever of the two it meets. In all 1.19 of the bytes.
A page in another encoding than UTF-8, which would damage the characters above 127, is what this cannot survive.
"""

from __future__ import annotations

import numpy as np

MOVED = {
    "\0": "HTML has no such character",
    "\n": "becomes CR LF in a text transfer",
    "\r": "becomes LF when HTML is read",
    "\x1a": "ended a file on old systems",
    "<": "may end the script element",
}
_TABLE = {ord(one): ord(one) + 128 for one in MOVED}


def text_of(content: bytes) -> str:
    """The bytes as characters below 256, the first bit of a byte first; the last character is filled up with zeros."""
    bits = np.unpackbits(np.frombuffer(content, np.uint8))
    sevens = np.zeros((-(-len(bits) // 7), 8), np.uint8)
    sevens[:, 1:] = np.resize(np.pad(bits, (0, -len(bits) % 7)), (len(sevens), 7))
    return np.packbits(sevens, axis=1).tobytes().decode("ascii").translate(_TABLE)


def bytes_of(text: str) -> bytes:
    """What `text_of` was given."""
    sevens = np.bitwise_and(np.frombuffer(text.encode("latin-1"), np.uint8), np.uint8(127), dtype=np.uint8)
    bits = np.unpackbits(sevens[:, None], axis=1)[:, 1:].reshape(-1)
    return np.packbits(bits[: len(bits) // 8 * 8]).tobytes()

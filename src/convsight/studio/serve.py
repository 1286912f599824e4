"""How is the studio started at an address, and stopped by Ctrl-C?"""

from __future__ import annotations

import errno
import gc
import importlib
import ipaddress
import secrets
import socket
import threading
import time
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn

from convsight.errors import InputError, StorageError
from convsight.occluding.programs import known_program
from convsight.studio.app import create_app
from convsight.studio.guard import LOCAL
from convsight.studio.session import Studio

TRIES = 20  # how many ports after the wanted one are tried


@dataclass(frozen=True)
class Address:
    """Where the studio listens, and the token that a browser must present."""

    host: str
    port: int
    token: str | None

    @property
    def url(self) -> str:
        shown = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        shown = f"[{shown}]" if ":" in shown else shown
        return f"http://{shown}:{self.port}/" + (f"?token={self.token}" if self.token else "")


def serve(
    studio: Studio,
    host: str = "127.0.0.1",
    port: int = 8765,
    *,
    exact_port: bool = False,
    browser: bool = True,
    tell: Callable[[str], None] = print,
) -> None:
    """Serve until Ctrl-C. A busy port gives way to the next free one, unless `exact_port`.

    On an address that others can reach, a random token is demanded, which the URL carries.
    """
    listening = _listen(host, port, 0 if exact_port else TRIES)
    local = _is_local(host)
    address = Address(host, listening.getsockname()[1], None if local else secrets.token_urlsafe(24))
    everywhere = host in ("0.0.0.0", "::")  # all interfaces, under whatever name others reach this machine
    hosts = LOCAL if local else ("*",) if everywhere else (host.lower(), f"[{host}]", *LOCAL)
    app = create_app(studio, hosts=hosts, token=address.token)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=2, server_header=False,
        timeout_keep_alive=30, h11_max_incomplete_event_size=32 * 1024,
    )  # fmt: skip
    server = uvicorn.Server(config)
    _ = studio.info  # compute what the page requests first, so that it opens at once
    if address.port != port:
        tell(f"Port {port} is in use; taking {address.port}.")
    tell(f"The studio is at {address.url}")
    tell(f"{'' if local else 'Everyone who has this URL can use it. '}Ctrl-C stops it.")
    threading.Thread(
        target=_once_up, args=(server, studio, address.url if browser else None), daemon=True
    ).start()
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        gc.unfreeze()
        listening.close()
        studio.jobs.close()
    tell("The studio has stopped.")


def _settle(studio: Studio) -> None:
    """Trace the network for drags, import what panels need, and exempt all that from full garbage collections.

    A full collection of the half million objects that exist by then would delay every answer by a fifth of a
    second.
    """
    known_program(studio.net)
    importlib.import_module("convsight.training.evaluate")  # imports lightning, which takes two seconds
    gc.freeze()


def _listen(host: str, port: int, more: int) -> socket.socket:
    """A socket bound to the port, or to one of the `more` after it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in range(port, min(port + more, 65535) + 1):
        made = socket.socket(family, socket.SOCK_STREAM)
        if hasattr(socket, "SO_REUSEADDR") and not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((host, number))
            made.listen(2048)
            return made
        except OSError as error:
            made.close()
            if error.errno == errno.EACCES:
                raise StorageError(f"port {number} needs more rights; choose one above 1023") from error
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                raise InputError(
                    f"--host {host!r} is no address of this machine; 127.0.0.1 is the usual one"
                ) from error
            if error.errno != errno.EADDRINUSE:
                raise
    used = f"port {port} is" if not more else f"ports {port} to {min(port + more, 65535)} are"
    raise InputError(f"{used} in use; choose another with --port, or --port 0 for any that is free")


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _once_up(server: uvicorn.Server, studio: Studio, url: str | None) -> None:
    """Open the page in a browser and, after its first requests, prepare for clicks."""
    for _ in range(200):
        if server.started:
            if url is not None:
                webbrowser.open(url)
            studio.jobs.start("Getting ready for clicks", lambda job: _settle(studio), lane="data")
            return
        time.sleep(0.05)

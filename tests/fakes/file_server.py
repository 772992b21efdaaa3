"""A web server on loopback with files, and the ways a server can fail: tests say what the next answers are."""

import hashlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Files:
    """What is served, and what was asked for."""

    content: dict[str, bytes] = field(default_factory=dict)
    """By path with its query."""
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    """Further headers of an answer, by path."""
    codes: dict[str, list[int]] = field(default_factory=dict)
    """Answers to come before the content, by path."""
    cut: dict[str, list[float]] = field(default_factory=dict)
    """Where the next answers break off, as a share of the content, by path."""
    hold: dict[str, threading.Event] = field(default_factory=dict)
    """An answer that breaks off waits for this first, by path."""
    ranges: bool = True
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """(path, headers) of everything that was asked."""
    url: str = ""

    def asked(self, path: str, header: str) -> list[str]:
        """This header of all requests for a path."""
        return [headers.get(header, "") for one, headers in self.requests if one == path]


class _Handler(BaseHTTPRequestHandler):
    files: Files
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        files, path = self.files, self.path
        if path.startswith("http://"):  # as a proxy is asked
            path = "/" + path.split("/", 3)[3]
        files.requests.append((self.path, dict(self.headers.items())))
        coming = files.codes.get(path, [])
        if coming:
            self._end(coming.pop(0), b"", files.headers.get(path, {}))
        elif path not in files.content:
            self._end(404, b"no such thing", {})
        else:
            self._send(path, files.content[path])

    def _send(self, path: str, data: bytes) -> None:
        files = self.files
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        wanted, start, code = self.headers.get("Range", ""), 0, 200
        headers = {"ETag": tag, **files.headers.get(path, {})}
        if files.ranges and wanted and self.headers.get("If-Range") == tag:
            start, code = int(wanted.removeprefix("bytes=").split("-")[0]), 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        cuts = files.cut.get(path, [])
        until = int(len(data) * cuts.pop(0)) if cuts else None
        self._end(code, data[start:], headers, None if until is None else max(0, until - start))

    def _end(self, code: int, body: bytes, headers: dict[str, str], until: int | None = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:until])
        if until is not None:
            self.wfile.flush()
            if self.path in self.files.hold:
                self.files.hold[self.path].wait(60)
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server calls it
        """Nothing."""


@contextmanager
def serving(files: Files, *, certificate: tuple[str, str] | None = None) -> Iterator[Files]:
    """The files, on 127.0.0.1 and a free port; with a certificate and its key's file by HTTPS, as localhost."""
    handler = type("Handler", (_Handler,), {"files": files})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        files.url = f"http://127.0.0.1:{server.server_address[1]}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            files.url = f"https://localhost:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield files
        finally:
            server.shutdown()
            thread.join()

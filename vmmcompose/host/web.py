"""The door to servers on the network: asks, asks again where that may help, and says what is the matter.

Proxies come from the environment. requests gives credentials to the host they are for and to no other.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from vmmcompose.errors import HostError, RemoteError

if TYPE_CHECKING:
    from requests import Response

Answer: TypeAlias = "Response"
"""What `read` is given: an answer whose body has not been read yet."""
CONNECT_S = 10.0
READ_S = 30.0
ATTEMPTS = 4
CHUNK = 1 << 16
_TEXT_LIMIT = 16 << 20
"""Bytes of a listing; GitHub's largest page of releases has about 3 MB."""
_ANSWERS = (200, 206, 416)
_FAULTS = (
    ("NameResolutionError", "its name cannot be resolved"),
    ("Temporary failure in name resolution", "its name cannot be resolved"),
    ("Connection refused", "the connection was refused"),
    ("Network is unreachable", "the network cannot be reached"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not valid here"),
    ("ProxyError", "the proxy does not answer"),
    ("timed out", "no answer in time"),
    ("IncompleteRead", "the connection was cut"),
    ("Connection aborted", "the connection was cut"),
    ("Connection broken", "the connection was cut"),
)
"""What stands in the text of an error, and what it means."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A page and what its headers say that matters: the next page, limits."""

    text: str
    headers: Mapping[str, str]


def read_page(url: str, *, token: str = "", accept: str = "*/*") -> Reply:
    """A small page. `token` goes to this very host and to no other.

    Raises:
        RemoteError: no answer, or another than 200.
    """
    headers = {"Accept": accept} | ({"Authorization": f"Bearer {token}"} if token else {})

    def read(response: "Response") -> Reply:
        data = bytearray()
        for chunk in response.iter_content(CHUNK):
            data += chunk
            if len(data) > _TEXT_LIMIT:
                raise RemoteError(f"{url} is longer than {_TEXT_LIMIT >> 20} MiB; that is no listing")
        return Reply(data.decode(errors="replace"), dict(response.headers))

    reply: Reply = ask(url, lambda: headers, read, decode=True)
    return reply


def read_json(url: str, *, token: str = "") -> tuple[Any, Mapping[str, str]]:
    """A JSON page and its headers.

    Raises:
        RemoteError: no answer, another than 200, or no JSON.
    """
    reply = read_page(url, token=token, accept="application/json")
    try:
        return json.loads(reply.text), reply.headers
    except (ValueError, RecursionError) as error:
        raise RemoteError(
            f"{url} did not send JSON", hint="is there a proxy in between that wants a login?"
        ) from error


def ask(
    url: str,
    headers: Callable[[], Mapping[str, str]],
    read: Callable[["Response"], Any],
    *,
    decode: bool,
) -> Any:  # noqa: ANN401 - what `read` gives
    """What `read` makes of an answer of 200, 206 or 416. Asks again after what may pass: no connection, a cut one, 5xx.

    `headers` are asked for anew each time; without `decode` the server is told to send the bytes as they are.

    Raises:
        RemoteError: no answer, or a refusal.
    """
    why = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(min(0.25 * 2**attempt, 8.0))
        try:
            with _asked(url, headers(), decode=decode) as response:
                if url.startswith("https://") and not response.url.startswith("https://"):
                    raise RemoteError(f"{url} leads to {response.url}, which is not encrypted")
                if response.status_code in _ANSWERS:
                    return read(response)
                if response.status_code < 500:
                    raise _refusal(url, response)
                why = f"{response.status_code} {response.reason}"
        except HostError:
            raise
        except OSError as error:  # requests' errors are OSErrors, as are those of a connection
            why = _why(error)
    raise RemoteError(
        f"cannot fetch {url}: {why}", hint="check this host's network, and the proxy in the environment"
    )


@contextlib.contextmanager
def _asked(url: str, headers: Mapping[str, str], *, decode: bool) -> Iterator["Response"]:
    import requests

    with requests.Session() as session:
        # A compressed answer has another length than the file.
        encoding = {} if decode else {"Accept-Encoding": "identity"}
        asked = {"User-Agent": "vmm", **encoding, **headers}
        with session.get(url, headers=asked, stream=True, timeout=(CONNECT_S, READ_S)) as response:
            yield response


def _refusal(url: str, response: "Response") -> RemoteError:
    left, reset = response.headers.get("X-RateLimit-Remaining"), response.headers.get("X-RateLimit-Reset", "")
    if response.status_code in (403, 429) and (left == "0" or response.status_code == 429):
        until = time.strftime(" until %H:%M", time.localtime(int(reset))) if reset.isdigit() else ""
        return RemoteError(
            f"{url}: the server allows no more requests{until}",
            hint="set GITHUB_TOKEN to a token of yours (it needs no rights), or wait",
        )
    hint = "check the address, or that it is public" if response.status_code == 404 else ""
    return RemoteError(f"{url}: {response.status_code} {response.reason}", hint=hint)


def _why(error: OSError) -> str:
    """A connection's fault in a few words; requests wraps it several times."""
    text = str(error)
    for sign, words in _FAULTS:
        if sign in text:
            return words
    return text if len(text) < 120 else f"{type(error).__name__}"

"""What a tool prints, and no more of it than makes sense: it may read what somebody made to have no end."""

import os
import selectors
import subprocess
import time

from vmmcompose.errors import HostError

_MOST, _LONGEST_S = 128 << 20, 300.0
_PIECE = 1 << 18


def printed(tool: "subprocess.Popen[bytes]", what: str) -> tuple[bytes, bytes]:
    """What a tool prints into its two pipes until it ends, or is ended; `what` it reads is named in the message.

    Raises:
        HostError: it is more, or takes longer, than can be meant.
    """
    assert tool.stdout is not None
    assert tool.stderr is not None
    parts: dict[int, list[bytes]] = {tool.stdout.fileno(): [], tool.stderr.fileno(): []}
    left, until = _MOST, time.monotonic() + _LONGEST_S
    with selectors.DefaultSelector() as selector:
        for pipe in parts:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(max(0.0, until - time.monotonic())):
                data = os.read(key.fd, _PIECE)
                parts[key.fd].append(data)
                left -= len(data)
                if not data:
                    selector.unregister(key.fd)
            if left < 0 or time.monotonic() > until:
                tool.kill()
                raise HostError(f"{what} makes no sense: it has no end")
    tool.wait()
    out, err = map(b"".join, parts.values())
    return out, err

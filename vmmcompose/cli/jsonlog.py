"""`--log-format json`: one JSON object per line on standard error, written by structlog."""

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO


def log_json(fields: Mapping[str, Any], stream: TextIO | None = None) -> None:
    """Writes one line: `fields` with `event` and `level` among them, and the time in UTC."""
    import structlog

    logger = structlog.wrap_logger(
        structlog.PrintLogger(stream or sys.stderr),
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_text),
        ],
    )
    with suppress(OSError):  # nobody can read it any more; the work goes on
        logger.info(**fields)


def _text(value: Any, **options: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    """Bytes of a file's name that are no text become what JSON escapes them as."""
    return json.dumps(value, ensure_ascii=False, **options).encode("utf-8", "backslashreplace").decode()

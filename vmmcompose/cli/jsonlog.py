"""`--log-format json`: one JSON object per line on standard error, written by structlog."""

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
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )
    with suppress(OSError):  # nobody can read it any more; the work goes on
        logger.info(**fields)

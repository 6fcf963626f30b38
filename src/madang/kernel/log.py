"""Structured logs: one JSON object a line for machines, aligned text for a terminal.

The id of the request (`X-Request-ID`) is bound once at the door and follows the work through queue and worker.
"""

import logging
import sys
from typing import Literal

from madang.kernel.without import without

with without("rich"):  # a developer's tool, 4 MB a process: no trace is drawn here
    import structlog

get_logger = structlog.stdlib.get_logger
bind = structlog.contextvars.bound_contextvars


def request_id() -> str | None:
    """The id of the request that is being served, or None outside of one."""
    found = structlog.contextvars.get_contextvars().get("request_id")
    return found if isinstance(found, str) else None


def first_line(error: BaseException) -> str:
    """What an error says, on one line; its type when it says nothing, as time-outs do."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def configure(level: str, style: Literal["json", "text"], process: str) -> None:
    """Send the process's logs, its libraries' included, to standard error.

    `level` is a name of the logging module, such as "INFO"; `process` is added to every line.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("uvicorn.access", "celery.app.trace", "celery.worker.strategy", "apscheduler"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(process=process)

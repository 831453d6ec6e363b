"""Log lines as JSON, one object per line, if HARVEST_LOG_FORMAT is `json`.

The command line prints its messages in this form. `JsonHandler` is for `python_logs.dagster_handler_config` in
dagster.yaml: Dagster passes each log line and event of a run to it. It only reads what Dagster adds to a log record, so
this module does not import Dagster.

Not here: secrets. They are masked before a line is logged (`HarvestContext.logger`, `without_secrets`).
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, TextIO

VARIABLE = "HARVEST_LOG_FORMAT"
SOURCE_ATTRIBUTE = "harvest_source"
"""The attribute of a log record that names the source."""

_DAGSTER_ATTRIBUTE = "dagster_meta"  # as Dagster's own JSON logger writes it
_LABEL_TAG = "harvest/label"
_WINDOW_TAG = "harvest/window"
_PARTITION_TAGS = (
    "dagster/partition",
    "dagster/asset_partition_range_start",
    "dagster/asset_partition_range_end",
)
_ASSET_PREFIXES = ("raw__", "transformed__")


def is_json(environ: Mapping[str, str]) -> bool:
    """Return whether log lines are JSON."""
    return environ.get(VARIABLE, "").strip().lower() == "json"


def json_line(time: datetime, level: str, logger: str, message: str, **values: object) -> str:
    """Return one line of JSON. Values that are None are left out.

    Args:
        time: aware.
        level: such as INFO.
        logger: the name of the logger.
        message: the text; line breaks become escapes.
        values: further keys.
    """
    instant = time.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {"time": instant, "level": level, "logger": logger, "message": message}
    known = {name: value for name, value in values.items() if value is not None}
    return json.dumps({**line, **known}, ensure_ascii=False, default=str)


class JsonFormatter(logging.Formatter):
    """Formats a log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. `error` is the traceback, or the error of an event of Dagster."""
        meta = getattr(record, _DAGSTER_ATTRIBUTE, None) or {}
        tags = meta.get("job_tags") or {}
        event = meta.get("dagster_event")
        return json_line(
            datetime.fromtimestamp(record.created, timezone.utc),
            record.levelname,
            record.name,
            meta.get("orig_message") or record.getMessage(),
            run_id=meta.get("run_id"),
            job=meta.get("job_name"),
            step=meta.get("step_key"),
            event=getattr(event, "event_type_value", None),
            source=_source_of(record, meta.get("step_key"), tags),
            window=_window_of(tags),
            error=_error_of(record, event),
        )


def _source_of(record: logging.LogRecord, step: str | None, tags: Mapping[str, str]) -> str | None:
    """Return the source that a line is about: a run may harvest several."""
    if (source := getattr(record, SOURCE_ATTRIBUTE, None)) is not None:
        return str(source)
    for prefix in _ASSET_PREFIXES:
        if step is not None and step.startswith(prefix):
            return step.removeprefix(prefix).partition(".")[0]
    return tags.get(_LABEL_TAG)


def _window_of(tags: Mapping[str, str]) -> str | None:
    """Return the range of the run: its window, its partition, or the first and the last partition."""
    if (window := tags.get(_WINDOW_TAG)) is not None:
        return window
    return "/".join(tags[name] for name in _PARTITION_TAGS if name in tags) or None


def _error_of(record: logging.LogRecord, event: Any) -> str | None:
    if record.exc_info and record.exc_info[1] is not None:
        return "".join(traceback.format_exception(record.exc_info[1]))
    error = getattr(getattr(event, "event_specific_data", None), "error", None)
    return None if error is None else str(error)


class JsonHandler(logging.StreamHandler[TextIO]):
    """Writes JSON lines to standard output if HARVEST_LOG_FORMAT is `json`, and otherwise nothing.

    Its level is INFO. Dagster passes all its events to a handler, whatever `python_log_level` is.
    """

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self.setFormatter(JsonFormatter())
        self.setLevel(logging.INFO)
        self.is_active = is_json(os.environ)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        if self.is_active:
            super().emit(record)

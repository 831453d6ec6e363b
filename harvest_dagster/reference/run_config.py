"""The page about the run config, from `orchestration.config`."""

from __future__ import annotations

from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from harvest_dagster.orchestration.config import AdHocParameters, HarvestParameters, TransformParameters
from harvest_dagster.reference.markdown import code, prose, table, yaml_value

_INTRODUCTION = """\
# Run config

Dagster validates the run config before a run starts: an unknown name or an invalid value is an error, and nothing is
touched. [Runs and backfills](../runs.md) shows how to pass it.
"""
_ASSETS = """\
## Harvest assets

The config of the op `raw__<label>` of the asset `raw/<label>`, `ops: {raw__<label>: {config: {…}}}`. All parameters are
optional.
"""
_JOB = """\
## Job `harvest`

The job harvests one source between any two instants. Its config is flat. It has the parameters above, and these two.
One of the two is required, and so are `start_date` and `end_date`.
"""
_TRANSFORMS = """\
## Transform assets

The config of the op `transformed__<label>` of the asset `transformed/<label>`.
"""
_WORDS = {str: "text", int: "whole number", bool: "`true` or `false`"}


def page() -> str:
    """Return the page in Markdown."""
    of_job = AdHocParameters.model_fields.keys() - HarvestParameters.model_fields.keys()
    parts = [
        _INTRODUCTION,
        _ASSETS,
        _parameters(HarvestParameters, HarvestParameters.model_fields),
        _JOB,
        _parameters(AdHocParameters, [name for name in AdHocParameters.model_fields if name in of_job]),
        _TRANSFORMS,
        _parameters(TransformParameters, TransformParameters.model_fields),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _parameters(model: type[BaseModel], names: Iterable[str]) -> str:
    fields = [(name, model.model_fields[name]) for name in names]
    rows = [
        (code(name), _type(field), yaml_value(field.default), prose(field.description or ""))
        for name, field in fields
    ]
    return table(("parameter", "type", "default", "meaning"), rows)


def _type(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (each for each in get_args(annotation) if each is not NoneType)
    return _WORDS[annotation]

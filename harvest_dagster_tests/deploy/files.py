"""Read the files in deploy/, and validate them with the schemas that packages contain."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def read(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def load(name: str) -> Any:
    return yaml.safe_load(read(name))


def documents(name: str) -> list[dict[str, Any]]:
    """Return the manifests in a file."""
    return list(yaml.safe_load_all(read(name)))


@cache
def compose_schema() -> dict[str, Any]:
    """Return the JSON Schema of the Compose Specification."""
    folder = files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    return dict(json.loads(folder.read_text(encoding="utf-8")))


def interpolate(value: Any, environ: Mapping[str, str]) -> Any:
    """Replace ${NAME}, ${NAME:-default} and ${NAME:?error} in all texts of a value, as compose does.

    Raises:
        KeyError: a variable is required and is not set.
    """
    if isinstance(value, dict):
        return {key: interpolate(item, environ) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item, environ) for item in value]
    return _VARIABLE.sub(partial(_value, environ), value) if isinstance(value, str) else value


def _value(environ: Mapping[str, str], match: re.Match[str]) -> str:
    name, operator, rest = match.groups()
    if environ.get(name):
        return environ[name]
    if operator == "?":
        raise KeyError(name)
    return str(rest) if operator == "-" else ""

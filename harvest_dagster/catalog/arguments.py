"""The arguments of harvesters and transformers: checked at loading, made when a run needs them.

Which arguments there are, a plug-in's own `Arguments` model says (`harvest_dagster.plugins` finds it). No
secret is known at loading, so that a `${NAME}` is held only to what can be said of it then; the run checks
the rest. A plug-in that cannot be used is a problem of the configs that name it and of no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harvest_dagster import plugins
from harvest_dagster.catalog import secrets
from harvest_dagster.catalog.problems import ABOUT_KEYS, KeyPath, dotted, explain
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import CatalogError, UnknownPlugin
from harvest_dagster.masking import masker

# group of entry points, the key that names the plug-in, the key of its arguments
KINDS = (
    (plugins.HARVESTERS, "harvester", "harvester_kwargs"),
    (plugins.TRANSFORMERS, "transformer", "transformer_kwargs"),
)


def check_arguments(document: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with the plug-ins that a document names, and with what it hands them.

    Takes the plain value, so that a config that is wrong elsewhere has all its problems reported at once;
    a wrong type here is the schema's to report.
    """
    for group, name, kwargs_name in KINDS:
        kwargs = document.get(kwargs_name, {})
        if not isinstance(kwargs, dict):
            continue
        yield from _malformed(kwargs, (kwargs_name,))
        key = document.get(name)
        if isinstance(key, str):
            yield from _check_plugin(group, key, kwargs, (name,), (kwargs_name,))
        elif kwargs and key is None and name != "harvester":
            yield (kwargs_name,), f"has no use without a {name}; name one, or remove this"


def make_arguments(
    config: IngestConfig, group: str, environ: Mapping[str, str]
) -> tuple[BaseModel, frozenset[str]]:
    """The arguments of a config's harvester or transformer with its secrets filled in, and those secrets.

    Args:
        config: names the plug-in.
        group: `plugins.HARVESTERS` or `plugins.TRANSFORMERS`.
        environ: where each `${NAME}` is looked up.

    Raises:
        MissingSecret: a variable is not set, or empty.
        UnknownPlugin: no plug-in of that name, or it cannot be imported.
        CatalogError: the plug-in refuses its arguments; the message names keys and no values.
    """
    name, kwargs_name = next((name, kwargs_name) for each, name, kwargs_name in KINDS if each == group)
    key, kwargs = getattr(config, name) or "", getattr(config, kwargs_name)
    resolved, hidden = secrets.resolve(kwargs, environ, config.label)
    model = arguments_model(group, key)
    try:
        return model.model_validate(resolved), hidden
    except ValidationError as error:
        found = explain(error.errors(), model, resolved, show=False)
        faults = [f"{dotted((kwargs_name, *path))} {message}" for path, message in found]
    except Exception as error:  # a validator of others that fails in its own way
        faults = [f"{kwargs_name}: the {name} {key!r} failed to check them: {type(error).__name__}"]
    listed = masker(hidden)("; ".join(faults))
    message = f"{config.label}: {listed}. Mend the config or the environment variables it names."
    raise CatalogError(message)  # outside, since the chained error would show the values


def arguments_model(group: str, key: str) -> type[BaseModel]:
    """The model of a plug-in's arguments.

    Raises:
        UnknownPlugin: nothing is registered under the key, its import fails, or it is no plug-in.
    """
    try:
        model = plugins.load(group, key).Arguments
    except UnknownPlugin:
        raise
    except (Exception, SystemExit) as error:
        # Lesson 15: importing runs the code of others, and one driver that is missing stopped all sources.
        fault = f"{type(error).__name__}: {error}"
        message = f"{key!r} cannot be used: {fault}. Mend or remove the package that brings it."
        raise UnknownPlugin(message) from error
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        message = (
            f"{key!r} cannot be used: its Arguments is no pydantic model. Mend the package that brings it."
        )
        raise UnknownPlugin(message)
    return model


def _malformed(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str) and secrets.is_malformed(value):
        yield path, "has a ${ that begins no name; write ${NAME}, or $${ for a literal ${"
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for part, member in members:
        yield from _malformed(member, (*path, part))


def _check_plugin(
    group: str, key: str, kwargs: dict[str, Any], at: KeyPath, kwargs_at: KeyPath
) -> Iterator[tuple[KeyPath, str]]:
    try:
        model = arguments_model(group, key)
        model.model_validate(kwargs)
    except UnknownPlugin as error:
        yield at, str(error)
    except ValidationError as error:
        details = [detail for detail in error.errors() if not _waits_for_secret(detail)]
        for path, message in explain(details, model, kwargs, show=False):
            yield (*kwargs_at, *path), message
    except Exception as error:
        # A validator of others that fails in its own way; a ${NAME} may be all it fails at.
        if not secrets.names(kwargs):
            yield kwargs_at, f"the {at[0]} {key!r} failed to check them: {type(error).__name__}"


def _waits_for_secret(detail: ErrorDetails) -> bool:
    """Whether the value at fault holds a `${NAME}`, so that only the run can judge it.

    A key that is missing or not allowed is judged at once, whatever its value.
    """
    return detail["type"] not in ABOUT_KEYS and bool(secrets.names(detail["input"]))

"""Validate and resolve the arguments of harvesters and transformers.

A plug-in declares its arguments in a pydantic model, `Arguments`; `harvest_dagster.plugins` finds the plug-in.
Loading knows no secret. It therefore does not judge a value that contains `${NAME}`; the run validates the
resolved value. A plug-in that cannot be used is a problem only of the configs that name it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harvest_dagster import plugins
from harvest_dagster.catalog import secrets
from harvest_dagster.catalog.plaintext_secrets import masked_arguments
from harvest_dagster.catalog.problems import ABOUT_KEYS, KeyPath, dotted, explain_errors
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import BadInput, CatalogError, UnknownPlugin
from harvest_dagster.masking import build_masker, is_secret_name
from harvest_dagster.plugins import SELECTIVE, NotDeciding
from harvest_dagster.texts import shorten

# The parts of an address that give access and select nothing: user and password, and parameters with a secret name.
_USER = re.compile(r"(?<=//)[^/?#]*@")
_PARAMETER = re.compile(r"(?<=[?&])([^=&#]*)=[^&#]*")
_LONGEST_SHOWN = 200  # characters of an argument in a log line


@dataclass(frozen=True)
class PluginKind:
    """One kind of plug-in that a config can name.

    Attributes:
        group: entry-point group.
        name: the YAML key that names the plug-in.
        kwargs_name: the YAML key that holds its arguments.
    """

    group: str
    name: str
    kwargs_name: str


KINDS = (
    PluginKind(plugins.HARVESTERS, "harvester", "harvester_kwargs"),
    PluginKind(plugins.TRANSFORMERS, "transformer", "transformer_kwargs"),
)


def validate_arguments(document: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Yield each problem with the plug-ins that a document names, and with their arguments.

    Takes the plain value of the document, not an IngestConfig: a document with other problems then gets all of
    them reported at once. Ignores values of a wrong type, because the schema reports these.
    """
    for kind in KINDS:
        kwargs = document.get(kind.kwargs_name, {})
        if not isinstance(kwargs, dict):
            continue
        yield from _malformed_placeholders(kwargs, (kind.kwargs_name,))
        key = document.get(kind.name)
        if isinstance(key, str):
            # Its type is checked by the schema.
            yield from _validate_plugin(
                kind, key, kwargs, selective=document.get("selective", True) is not False
            )
        elif kwargs and key is None and kind.name != "harvester":
            message = f"has no effect without a {kind.name}; add the key {kind.name}, or remove this one"
            yield (kind.kwargs_name,), message
    yield from _malformed_placeholders(document.get("auth"), ("auth",))


def resolve_arguments(config: IngestConfig, group: str, environ: Mapping[str, str]) -> BaseModel:
    """Return the arguments of a config's harvester or transformer, with its secrets filled in.

    Args:
        config: names the plug-in.
        group: `plugins.HARVESTERS` or `plugins.TRANSFORMERS`.
        environ: where each `${NAME}` is looked up.

    Raises:
        MissingSecret: a variable is not set, or empty.
        UnknownPlugin: no plug-in has this name, or it cannot be used.
        CatalogError: the plug-in refuses the arguments. The message names keys and shows no value.
    """
    kind = next(kind for kind in KINDS if kind.group == group)
    key, kwargs = getattr(config, kind.name) or "", getattr(config, kind.kwargs_name)
    resolved, hidden = secrets.resolve(kwargs, environ, config.label)
    model = arguments_model(group, key)
    try:
        return model.model_validate(resolved, context={SELECTIVE: config.selective})
    except ValidationError as error:
        errors = explain_errors(error.errors(), model, resolved, show=False)
        faults = [f"{dotted((kind.kwargs_name, *path))} {message}" for path, message in errors]
    except Exception as error:  # a validator of a third party may raise anything
        faults = [f"{kind.kwargs_name}: {_validator_failed(kind, key, error)}"]
    listed = build_masker(hidden)("; ".join(faults))
    message = f"{config.label}: {listed}. Correct the config, or the environment variables that it names."
    raise CatalogError(message)  # outside of the except block: a chained error would show the values


def arguments_without_secrets(config: IngestConfig, environ: Mapping[str, str]) -> BaseModel:
    """Return the harvester arguments of a config with each `${NAME}` left as it is.

    A parser needs no secret. If the model of the arguments rejects a placeholder, for example in place of a number,
    read the secrets after all.

    Raises:
        MissingSecret: the model rejects a placeholder, and a variable is not set, or empty.
        UnknownPlugin: no plug-in of that name, or it cannot be imported.
        CatalogError: the plug-in refuses its arguments; the message names keys and no values.
    """
    placeholders = {name: f"${{{name}}}" for name in secrets.placeholder_names(config.harvester_kwargs)}
    try:
        return resolve_arguments(config, plugins.HARVESTERS, placeholders)
    except CatalogError:
        return resolve_arguments(config, plugins.HARVESTERS, environ)


def arguments_model(group: str, key: str) -> type[BaseModel]:
    """Return the model of a plug-in's arguments.

    Raises:
        UnknownPlugin: nothing is registered under the key, its import fails, or it has no pydantic model.
    """
    model = getattr(plugins.load(group, key), "Arguments", None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        message = (
            f"{key!r} cannot be used: its attribute Arguments is not a pydantic model. "
            "Correct or uninstall the package that registers it."
        )
        raise UnknownPlugin(message)
    return model


def deciding_arguments(config: IngestConfig) -> dict[str, Any]:
    """Return the arguments that decide what a source is asked, as JSON values. Coverage holds only for them.

    `${NAME}` stays as it is, and secrets in plain text are masked. Defaults and fields marked with
    `plugins.NotDeciding` are left out. If the model rejects a placeholder, the arguments are taken as written.

    Raises:
        UnknownPlugin: nothing is registered under the harvester's key, or it cannot be used.
    """
    kwargs = masked_arguments(config.harvester_kwargs)
    model = arguments_model(plugins.HARVESTERS, config.harvester)
    try:
        arguments = model.model_validate(kwargs, context={SELECTIVE: config.selective})
        written = arguments.model_dump(mode="json", exclude_defaults=True)
    except Exception:  # a validator of a third party may raise anything
        written = kwargs
    return _deciding(model, written)


def has_open_end(config: IngestConfig, environ: Mapping[str, str]) -> bool:
    """Return whether the source can only be asked from an instant on, so that one list serves a range of any length.

    Arguments that cannot be read are no problem here: the run reports it.
    """
    try:
        return getattr(arguments_without_secrets(config, environ), "has_open_end", False)
    except BadInput:
        return False


def deciding_values(config: IngestConfig, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the values behind each `${NAME}` of the arguments that decide what a source is asked, by NAME.

    What gives access decides nothing, so a new key ends no coverage. A value is left out if the name of its argument
    or of its variable is that of a secret, or if it is the user or the password of an address.

    Raises:
        UnknownPlugin: nothing is registered under the harvester's key, or it cannot be used.
    """
    if not secrets.placeholder_names(config.harvester_kwargs):
        return {}
    names = secrets.placeholder_names(list(_open_texts(deciding_arguments(config))))
    return {name: environ[name] for name in sorted(names) if environ.get(name) and not is_secret_name(name)}


def _open_texts(value: Any, key: str = "") -> Iterator[str]:
    """Yield the texts of some arguments, without those that are secret by their name or their place."""
    if is_secret_name(key):
        return
    if isinstance(value, str):
        without_user = _USER.sub("", value)
        yield _PARAMETER.sub(lambda found: "" if is_secret_name(found[1]) else found[0], without_user)
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from _open_texts(member, name)
    elif isinstance(value, (list, tuple)):
        for member in value:
            yield from _open_texts(member, key)


def digest_of(arguments: Mapping[str, Any]) -> str:
    """Return the SHA-256 of arguments, in hexadecimal."""
    return hashlib.sha256(json.dumps(arguments, sort_keys=True, default=str).encode()).hexdigest()


def describe_changes(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> str:
    """Return the differences between two sets of arguments, such as "set changed from 'a' to 'b'"."""
    found = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found.append(describe_changes(old, new, f"{prefix}{name}."))
        else:
            found.append(f"{prefix}{name} changed from {_shown(old)} to {_shown(new)}")
    return ", ".join(found)


def _shown(value: Any) -> str:
    return "its default" if value is None else shorten(json.dumps(value, ensure_ascii=False), _LONGEST_SHOWN)


def _deciding(model: type[BaseModel], arguments: Mapping[str, Any]) -> dict[str, Any]:
    fields = model.model_fields
    found: dict[str, Any] = {}
    for name, value in arguments.items():
        field = fields.get(name)
        if field is not None and any(isinstance(mark, NotDeciding) for mark in field.metadata):
            continue
        nested: Any = field.annotation if field is not None else None
        is_model = isinstance(nested, type) and issubclass(nested, BaseModel) and isinstance(value, Mapping)
        found[name] = _deciding(nested, value) if is_model else value
    return found


def _malformed_placeholders(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str) and secrets.has_malformed_placeholder(value):
        yield path, "contains a ${ without a variable name; write ${NAME}, or $${ for a literal ${"
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for part, member in members:
        yield from _malformed_placeholders(member, (*path, part))


def _validate_plugin(
    kind: PluginKind, key: str, kwargs: dict[str, Any], *, selective: bool
) -> Iterator[tuple[KeyPath, str]]:
    try:
        model = arguments_model(kind.group, key)
        model.model_validate(kwargs, context={SELECTIVE: selective})
    except UnknownPlugin as error:
        yield (kind.name,), str(error)
    except ValidationError as error:
        details = [detail for detail in error.errors() if not _depends_on_secret(detail)]
        for path, message in explain_errors(details, model, kwargs, show=False):
            yield (kind.kwargs_name, *path), message
    except Exception as error:
        # A validator of a third party may raise anything. A ${NAME} may be the only reason.
        if not secrets.placeholder_names(kwargs):
            yield (kind.kwargs_name,), _validator_failed(kind, key, error)


def _validator_failed(kind: PluginKind, key: str, error: Exception) -> str:
    """Return a message without the text of the error, which may contain a value."""
    return f"the {kind.name} {key!r} could not validate its arguments: {type(error).__name__}"


def _depends_on_secret(detail: ErrorDetails) -> bool:
    """Return whether only the run can judge the value, because it contains a `${NAME}`.

    A key that is missing or not allowed is an error whatever its value is.
    """
    return detail["type"] not in ABOUT_KEYS and bool(secrets.placeholder_names(detail["input"]))

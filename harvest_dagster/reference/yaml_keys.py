"""The page about the keys of the YAML, from `catalog.schema` and the arguments of the built-in plug-ins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from harvest_dagster import plugins
from harvest_dagster.catalog import json_schema
from harvest_dagster.catalog.arguments import KINDS, PluginKind, arguments_model
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.plugins import NotDeciding
from harvest_dagster.reference import docstrings
from harvest_dagster.reference.markdown import code, prose, table, yaml_value

_INTRODUCTION = """\
A source is one YAML document. A file may contain several of them, separated by `---`. An unknown key or an invalid
value is an error with its file, its line and the allowed values; the other sources still load. Only `label`,
`harvester` and the required arguments of the harvester are mandatory. A source that [extends a bundled
source](../bundled-sources.md) needs only `extends`. `harvest check` validates files offline.

Editors complete and validate a file whose first line names the JSON Schema of this package,
[ingest_config.schema.json](../../harvest_dagster/catalog/ingest_config.schema.json):

    # yaml-language-server: $schema=path/to/ingest_config.schema.json

The types, apart from those of YAML:

- **duration**: a number and a unit, such as `90s`, `5m`, `3h`, `2d` or `1w`, or a number of seconds.
- **size**: a number and a unit, such as `64MiB` or `1GB`, or a number of bytes.
- **path**: the place of a value in a JSON page, such as `message.items`, or JSONPath that begins with `$`.
- `${NAME}` in a string of `harvester_kwargs`, `transformer_kwargs` and `auth` is read from the environment when the
  harvest runs, and in `notify` when a message is sent. The value reaches no log and no row.
"""
_NOT_DECIDING = "A change of it does not invalidate earlier harvests."
_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "object": "mapping",
    "array": "list",
}
# How a pattern ends, and the name of the type that has it.
_NAMED_PATTERNS = (
    ("(ms|s|m|h|d|w)$", "duration"),
    ("(GiB|GB|MiB|MB|KiB|kB|B)$", "size"),
    (r"(\.[^.]+)*)$", "path"),
)


def page() -> str:
    """Return the page in Markdown."""
    schema = json_schema.generate()
    parts = ["# YAML keys of a source", _INTRODUCTION, "## All keys", _keys(IngestConfig, schema)]
    parts += _nested(IngestConfig, schema, 2)
    for kind in KINDS:
        for key in sorted(plugins.BUILT_IN[kind.group]):
            parts += _plugin(kind, key)
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _plugin(kind: PluginKind, key: str) -> Iterator[str]:
    model = arguments_model(kind.group, key)
    yield f"## `{kind.kwargs_name}` of the {kind.name} `{key}`"
    if not model.model_fields:
        yield f"The {kind.name} `{key}` has no arguments."
        return
    schema = json_schema.schema_of(model)
    yield _keys(model, schema)
    yield from _nested(model, schema, 3)


def _nested(model: type[BaseModel], schema: Mapping[str, Any], level: int) -> Iterator[str]:
    for name, nested in _nested_models(model):
        key = model.model_fields[name].discriminator
        if isinstance(key, str):
            tag = get_args(nested.model_fields[key].annotation)[0]
            is_first = nested is next(each for other, each in _nested_models(model) if other == name)
            yield from (f"{'#' * level} `{name}`",) if is_first else ()
            yield f"{'#' * level}# `{key}: {tag}`"
        else:
            yield f"{'#' * level} `{name}`"
        yield docstrings.summary(nested)
        defaults = schema["properties"][name].get("default") or {}
        nested_schema = {**schema["$defs"][nested.__name__], "$defs": schema["$defs"]}
        yield _keys(nested, nested_schema, defaults)
        yield from _nested(nested, nested_schema, level + 1)


def _nested_models(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in model.model_fields.items():
        for annotation in (field.annotation, *get_args(field.annotation)):
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                yield name, annotation


def _keys(
    model: type[BaseModel], schema: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> str:
    """Return the table of the keys of a model.

    Args:
        model: has the descriptions.
        schema: its JSON Schema, with types.
        defaults: the default of the key that contains the model. It shows sizes with their units.
    """
    described = docstrings.attributes(model)
    rows = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        rule = schema["properties"][key]
        meaning = field.description or described[name]
        if any(isinstance(mark, NotDeciding) for mark in field.metadata):
            meaning = f"{meaning.rstrip('.')}. {_NOT_DECIDING}"
        default = "**required**" if field.is_required() else _default({**rule, **_only(name, defaults)})
        rows.append((code(key), _type(key, rule), default, prose(meaning)))
    return table(("key", "type", "default", "meaning"), rows)


def _only(name: str, defaults: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"default": defaults[name]} if defaults and name in defaults else {}


def _default(rule: Mapping[str, Any]) -> str:
    return "see below" if "$ref" in rule else yaml_value(rule.get("default"))


def _type(name: str, rule: Mapping[str, Any]) -> str:
    """Return the type that a rule of a JSON Schema describes, in words."""
    match rule:
        case {"$ref": _} | {"oneOf": _}:
            return f"[mapping](#{name})"
        case {"enum": values} | {"const": str(values)}:
            return " or ".join(map(code, [values] if isinstance(values, str) else values))
        case {"anyOf": rules}:
            return _alternatives(name, rules)
        case {"type": "array", "items": items}:
            return f"list: {_type(name, items)}"
        case {"type": list(types)}:
            return " or ".join(_WORDS[each] for each in types)
    return _text(rule) if rule["type"] == "string" else _WORDS[rule["type"]] + _bounds(rule)


def _alternatives(name: str, rules: Sequence[Mapping[str, Any]]) -> str:
    found = [_type(name, rule) for rule in rules if rule.get("type") != "null"]
    named = [each for each in found if each in ("duration", "size")]  # their numbers are explained above
    return named[0] if named else " or ".join(dict.fromkeys(found))


def _text(rule: Mapping[str, Any]) -> str:
    if "format" in rule:
        return {"date": "date", "uri": "URL"}.get(rule["format"], "text")
    pattern = rule.get("pattern", "")
    return next((word for end, word in _NAMED_PATTERNS if pattern.endswith(end)), "text")


def _bounds(rule: Mapping[str, Any]) -> str:
    bounds = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most"}
    found = [f"{words} {rule[key]}" for key, words in bounds.items() if key in rule]
    return f", {', '.join(found)}" if found else ""

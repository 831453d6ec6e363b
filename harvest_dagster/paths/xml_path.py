"""Paths into XML: local names joined by dots, from the root element or from the element of a record.

`feed.entry` are all elements `entry` below the root `feed`, and `author.name` in a record are all names of authors. The
last part may be an attribute: `link.@href`. `link[@rel=next]` are only the elements with this value of an attribute. In
`volatile`, `*` stands for every element. Namespaces do not matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_NAME = r"[^\W\d][\w·-]*"  # a local name; one with a dot cannot be a part of a path
_STEP = re.compile(rf"(?P<name>{_NAME}|\*)(?:\[@(?P<attribute>{_NAME})=(?P<value>[^\[\]]*)\])?")
_ATTRIBUTE = re.compile(rf"@{_NAME}")
_PARTS = re.compile(r"(?:[^.\[]|\[[^\]]*\])+")


@dataclass(frozen=True)
class Step:
    """One part of a path: an element.

    Attributes:
        name: its local name, or `*`.
        attribute: local name of an attribute that it must have; None if it need not.
        value: the value of that attribute.
    """

    name: str
    attribute: str | None = None
    value: str | None = None


@dataclass(frozen=True)
class XmlPath:
    """A path.

    Attributes:
        steps: the elements.
        attribute: local name of the attribute at the end; None for an element.
    """

    steps: tuple[Step, ...]
    attribute: str | None = None


@lru_cache(maxsize=1024)
def parse_xml_path(path: str) -> XmlPath:
    """Return a parsed path.

    Raises:
        ValueError: it is no path of local names.
    """
    parts = _PARTS.findall(path)
    is_whole = ".".join(parts) == path
    attribute = parts.pop()[1:] if parts and _ATTRIBUTE.fullmatch(parts[-1]) else None
    matches = [_STEP.fullmatch(part) for part in parts]
    steps = [Step(found["name"], found["attribute"], found["value"]) for found in matches if found]
    if len(steps) < len(matches) or not is_whole or not path:
        raise ValueError(
            f"{path!r} is no path into XML. Write local names without prefixes, joined by dots, and @name for an "
            "attribute at the end: `feed.entry`, `link.@href`"
        )
    return XmlPath(tuple(steps), attribute)

"""Read the section `Attributes:` of a docstring in Google's style."""

from __future__ import annotations

import inspect
import re

_SECTION = re.compile(r"^Attributes:\n(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_ATTRIBUTE = re.compile(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", re.MULTILINE | re.DOTALL)


def attributes(documented: type) -> dict[str, str]:
    """Return the meaning of each attribute of a class, in one line each, in the order of its docstring."""
    section = _SECTION.search(inspect.cleandoc(documented.__doc__ or ""))
    found = _ATTRIBUTE.findall(section[1]) if section else []
    return {name: " ".join(text.split()) for name, text in found}


def summary(documented: type) -> str:
    """Return the first paragraph of a docstring in one line."""
    return " ".join(inspect.cleandoc(documented.__doc__ or "").partition("\n\n")[0].split())

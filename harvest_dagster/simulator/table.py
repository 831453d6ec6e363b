"""The table of behaviours, made from the registry: for a terminal and for the documentation.

`python -m harvest_dagster.simulator.table` writes docs/simulator.md; a test tells when that is due.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from harvest_dagster.simulator.behaviours.base import Named
from harvest_dagster.simulator.registry import KINDS, REGISTRY

FILE = Path("docs") / "simulator.md"
_INDENT = " " * 4
_HEAD = """\
# The simulator's behaviours

<!-- Written by `python -m harvest_dagster.simulator.table`. -->

`python -m harvest_dagster.simulator` serves an OAI-PMH repository and, with the same records, a JSON API; each
`--behaviour` makes it hostile in one of {count} ways: `NAME[:KEY=VALUE,…][@CONDITION,…]`, as in

```sh
python -m harvest_dagster.simulator --behaviour 'cut:length=1000@ListRecords#3' --behaviour busy-date@list#2
```

`--help` tells the conditions. "A harvester" is what anybody's must do in its face, whatever it does besides:
**gives all** (every record, and success), **fails or gives all**, **fails**, **gives all others, or fails** (one
record is broken, and may be missing only where it is set aside), **does not claim to be complete, unless it is**.
"Asked" is the condition under which the conformance suite asks it; settings stand with their defaults. "Lessons" are
the numbers by which the tests call what went wrong with harvesters before.
"""


def markdown() -> str:
    """The page of the documentation."""
    tables = [f"\n## {kind}\n\n{_table(entries)}" for kind, entries in KINDS.items()]
    return _HEAD.format(count=len(REGISTRY)) + "".join(tables)


def text(width: int) -> str:
    """The same for a terminal of this many columns."""
    return "\n".join(line for kind, entries in KINDS.items() for line in _section(kind, entries, width))


def _table(entries: tuple[Named, ...]) -> str:
    rows = [
        "| name | the server | a harvester | asked | of | settings | lessons |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows += [_row(entry) for entry in entries]
    return "\n".join(rows) + "\n"


def _row(entry: Named) -> str:
    cells = (
        f"`{entry.name}`",
        entry.about,
        f"**{entry.demand.value}**: {entry.proves}",
        f"`{entry.at}`" if entry.at else "always",
        ", ".join(entry.protocols),
        "; ".join(_settings(entry, "`")),
        ", ".join(map(str, entry.lessons)),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _settings(entry: Named, quote: str) -> Iterator[str]:
    for each in entry.parameters:
        shown = str(each.default).lower() if each.kind is bool else str(each.default) or '""'
        choices = f" ({', '.join(choice or 'none' for choice in each.choices)})" if each.choices else ""
        yield f"{quote}{each.name}={shown}{quote} {each.meaning}{choices}"


def _section(kind: str, entries: tuple[Named, ...], width: int) -> Iterator[str]:
    yield f"\n{kind}"
    for entry in entries:
        only = "" if len(entry.protocols) > 1 else f" ({entry.protocols[0]} only)"
        yield f"  {entry.name}{only}"
        lines = [f"{entry.about}. A harvester {entry.demand.value}: {entry.proves}.", *_settings(entry, "")]
        for line in lines:
            yield from textwrap.wrap(
                line, width, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False
            )


if __name__ == "__main__":
    FILE.write_text(markdown(), encoding="utf-8")

"""The table of behaviours, generated from the registry: for the terminal and for docs/simulator.md.

Run `python -m harvest_dagster.testing.simulator.behaviours.documentation` in the root of the repository to write
docs/simulator.md. A test fails if the file is out of date.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from harvest_dagster.testing.simulator.behaviours.base import NamedBehaviour
from harvest_dagster.testing.simulator.behaviours.registry import GROUPS, REGISTRY

FILE = Path("docs") / "simulator.md"
_INDENT = " " * 4
_INTRODUCTION = """\
# Behaviours of the fault-injection simulator

<!-- Written by `python -m harvest_dagster.testing.simulator.behaviours.documentation`. Do not edit. -->

`python -m harvest_dagster.simulator` serves an OAI-PMH repository and, with the same records, a JSON API. Each option
`--behaviour` adds one of {count} faults. Its form is `NAME[:KEY=VALUE,…][@CONDITION,…]`, for example

```sh
python -m harvest_dagster.simulator --behaviour 'cut:length=1000@ListRecords#3' --behaviour busy-date@list#2
```

`--help` lists the conditions. The columns of the tables:

- **contract**: what every harvester must achieve if a source shows this behaviour:
  - **all records**: the harvest succeeds and stores every record.
  - **all records, or failure**: the harvest stores every record, or fails with an error.
  - **failure**: the harvest fails with an error.
  - **all other records, or failure**: one record is corrupt. It may be missing only if it is quarantined. All other
    records are stored, or the harvest fails.
  - **no false claim of completeness**: records may be missing, but then the harvest does not report `complete`.
  - **the true records in the end**: over several harvests, the harvester deletes no record that the source has. After
    the fault, it has every record. The conformance suite harvests once, and leaves these behaviours out.
- **condition**: the requests to which the conformance suite applies the behaviour.
- **protocols**: those that can show the behaviour. *any other* is the protocol of a plug-in ([plugins.md](plugins.md)),
  with the features that are named.
- **settings**: the keys with their default values.
- **failures**: real failures that the behaviour provokes, described in [failures.md](failures.md).

## Histories and the truth

Tests in Python can let a source change over time. A `History` has events at instants: `Add`, `Change`, `Delete` (with
a tombstone), `Hide` (without one), `Return`, `Late` and `Outage`. `Server(history=…, clock=…)` answers as the source
would at the time of the clock. The package documentation of `harvest_dagster.testing.simulator` has an example.

`server.truth` says which records the source really has at that time, whatever it answers: the live records with their
content, datestamps and sets, and when each removed record was removed. Behaviours and outages do not change it. A late
record belongs to the truth from its datestamp on. A behaviour that hides records, or changes their datestamps, reads
all records for each request, so use it with small repositories.
"""


def markdown() -> str:
    """Return the content of docs/simulator.md."""
    tables = [f"\n## {group}\n\n{_table(entries)}" for group, entries in GROUPS.items()]
    return _INTRODUCTION.format(count=len(REGISTRY)) + "".join(tables)


def text(width: int) -> str:
    """Return the table as plain text for a terminal with this number of columns."""
    return "\n".join(line for group, entries in GROUPS.items() for line in _section(group, entries, width))


def _table(entries: tuple[NamedBehaviour, ...]) -> str:
    rows = [
        "| name | source | harvester | contract | condition | protocols | settings | failures |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *map(_row, entries),
    ]
    return "\n".join(rows) + "\n"


def _row(entry: NamedBehaviour) -> str:
    cells = (
        f"`{entry.name}`",
        entry.description,
        entry.requirement,
        f"**{entry.contract.value}**",
        f"`{entry.condition}`" if entry.condition else "every request",
        ", ".join((*entry.protocols[:-1], _last_protocol(entry))),
        "; ".join(_settings(entry, "`")),
        ", ".join(f"[{failure}](failures.md#{failure})" for failure in entry.failures),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _last_protocol(entry: NamedBehaviour) -> str:
    needs = f" with {' and '.join(entry.needs)}" if entry.needs else ""
    return f"{entry.protocols[-1]}{needs}"


def _settings(entry: NamedBehaviour, quote: str) -> Iterator[str]:
    for each in entry.parameters:
        default = str(each.default).lower() if each.kind is bool else str(each.default) or '""'
        choices = f" ({', '.join(choice or 'none' for choice in each.choices)})" if each.choices else ""
        yield f"{quote}{each.name}={default}{quote}: {each.meaning}{choices}"


def _section(group: str, entries: tuple[NamedBehaviour, ...], width: int) -> Iterator[str]:
    yield f"\n{group}"
    for entry in entries:
        only = "" if len(entry.protocols) > 1 else f" ({entry.protocols[0]} only)"
        yield f"  {entry.name}{only}"
        contract = f"Contract: {entry.contract.value}."
        for line in (f"{entry.description} {entry.requirement} {contract}", *_settings(entry, "")):
            yield from textwrap.wrap(
                line, width, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False
            )


if __name__ == "__main__":
    FILE.write_text(markdown(), encoding="utf-8")

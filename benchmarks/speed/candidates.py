"""The candidates: what is run, on which records, and how its result is checked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from common import measuring
from common.measuring import Cost
from common.services import DAY, ROOT
from common.source import FROM, UNTIL

from speed import checks
from speed.places import Bench, Place

DEFAULT_SIZE = "default_records"
TOOLS = Path(__file__).resolve().parent / "tools"
HARVESTERS = {
    "oai": {"harvester": "oai", "harvester_kwargs": {"metadata_prefix": "oai_dc"}, "transformer": "oai_dc"},
    "json": {
        "harvester": "rest",
        "harvester_kwargs": {
            "params": {"from": "{from}", "until": "{until}"},
            "granularity": "second",
            "records": "records",
            "identifier": "id",
            "datestamp": "updated",
            "deleted": {"path": "deleted"},
            "total": "total",
            "next": {"by": "cursor", "path": "next", "param": "cursor"},
        },
    },
}


@dataclass(frozen=True)
class Measurement:
    """One run of a candidate.

    Attributes:
        records: number of records.
        cost: what the run cost.
        digest: the first digits of the hash of the stored identifiers; empty if nothing was stored.
        rows_written: rows of the three tables that were inserted, updated or deleted; None if they were not counted.
        stages: elapsed seconds of the run of Dagster and of its ops; empty for other candidates.
    """

    records: int
    cost: Cost
    digest: str = ""
    rows_written: int | None = None
    stages: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Records per elapsed second, with the start of the process."""
        return self.records / self.cost.seconds

    @property
    def processor(self) -> float:
        """Microseconds of processor time for each record, of the client and of PostgreSQL."""
        return (self.cost.client + self.cost.servers.get("postgresql", 0)) / self.records * 1e6


@dataclass(frozen=True)
class Candidate:
    """Something that is measured.

    Attributes:
        name: its name in the table.
        database: `sqlite` or `postgresql`.
        size: which of the sizes its source has: `records`, `default_records` or `orm_records`.
        run: measures one run at a place, and checks the result.
        follows: it uses the database of the candidate before it.
    """

    name: str
    database: str
    run: Callable[[Bench, Place], Measurement]
    size: str = "records"
    follows: bool = False


def add_source(place: Place, protocol: str, label: str = "benchmark") -> None:
    """Write the YAML of a source. JSON is valid YAML."""
    harvester = HARVESTERS[protocol]
    source = {
        **harvester,
        "label": label,
        "harvester_kwargs": {"base_url": place.source.urls[protocol], **harvester["harvester_kwargs"]},  # type: ignore[dict-item]
        "rate_limit": {"calls": 100_000, "period": 1},
        "earliest_date": DAY,
    }
    (place.folder / "sources").mkdir(exist_ok=True)
    (place.folder / "sources" / f"{label}.yaml").write_text(json.dumps(source), encoding="utf-8")


def materialize(place: Place, asset: str, config: dict[str, object] | None = None, day: str = DAY) -> Cost:
    """Materialize a partition as a user does, in a new process."""
    name = asset.replace("/", "__")
    given = ["--config-json", json.dumps({"ops": {name: {"config": config}}})] if config else []
    command = [
        "-m",
        "dagster",
        "asset",
        "materialize",
        "-m",
        "harvest_dagster.definitions",
        "--select",
        asset,
    ]
    return measuring.run(
        [sys.executable, "-W", "ignore", *command, "--partition", day, *given],
        environment=place.environment,
        folder=ROOT,
        log=place.folder / "log",
        servers=place.servers,
    )


def ours(protocol: str, label: str = "benchmark") -> Callable[[Bench, Place], Measurement]:
    """Return how the asset of a source is measured: from HTTP to rows."""

    def run(_: Bench, place: Place) -> Measurement:
        add_source(place, protocol, label)
        cost = materialize(place, f"raw/{label}")
        records = place.source.records
        checks.verify(place.database, checks.OUR_LOGS, records, label, _queued(protocol))
        digest = checks.verify(place.database, checks.OURS, records, label)
        return Measurement(records, cost, digest, stages=run_seconds(place))

    return run


def _queued(protocol: str) -> str:
    """Return the status of new logs: the source of the JSON list names no transformer."""
    return "PENDING" if "transformer" in HARVESTERS[protocol] else "CREATED"


def ours_again(_: Bench, place: Place) -> Measurement:
    """Harvest the same records a second time."""
    before = checks.written_rows(place.database)
    cost = materialize(place, "raw/benchmark", {"optimize": False})
    records = place.source.records
    after = checks.written_rows(place.database)
    written = None if before is None or after is None else after - before
    digest = checks.verify(place.database, checks.OURS, records)
    return Measurement(records, cost, digest, written, run_seconds(place))


def our_transform(_: Bench, place: Place) -> Measurement:
    """Transform the harvested records."""
    cost = materialize(place, "transformed/benchmark")
    records = place.source.records
    digest = checks.verify(place.database, checks.OUR_LOGS, records, status="SUCCEEDED")
    return Measurement(records, cost, digest, stages=run_seconds(place))


def run_seconds(place: Place) -> dict[str, float]:
    """Return the elapsed seconds of the newest run of Dagster, and of each of its ops."""
    command = [sys.executable, "-W", "ignore", TOOLS / "run_seconds.py", place.folder]
    log = place.folder / "seconds"
    measuring.run(command, environment=place.environment, folder=ROOT, log=log)
    seconds: dict[str, float] = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
    return seconds


def tool(
    script: str, protocol: str, query: str, *, python: str = ""
) -> Callable[[Bench, Place], Measurement]:
    """Return how a script of another way is measured.

    Args:
        script: its file in `tools`.
        protocol: which list it reads.
        query: what it has stored: see `checks`.
        python: its Python; empty for that of the compared tools.
    """

    def run(bench: Bench, place: Place) -> Measurement:
        arguments = {
            "url": place.source.urls[protocol],
            "protocol": protocol,
            "from": FROM,
            "until": UNTIL,
            # dlt wants a password. The server accepts any.
            "database": place.database.replace("postgres@", "postgres:any@"),
            "folder": str(place.folder / "pipelines"),
        }
        cost = measuring.run(
            [python or str(bench.tools), TOOLS / script, json.dumps(arguments)],
            environment=place.environment,
            folder=place.folder,
            log=place.folder / "log",
            servers=place.servers,
        )
        records = place.source.records
        return Measurement(records, cost, checks.verify(place.database, query, records))

    return run


def limit(_: Bench, place: Place, harvested: Place) -> Measurement:
    """Write the rows of a harvested database into a new one, as fast as the database allows."""
    arguments = {
        "from_database": harvested.database,
        "database": place.database,
        "server": place.postgresql,
    }
    log = place.folder / "log"
    whole = measuring.run(
        [sys.executable, "-W", "ignore", TOOLS / "limits.py", json.dumps(arguments)],
        environment=place.environment,
        folder=ROOT,
        log=log,
    )
    # Only the writing counts, not the start of the process and the reading of the rows.
    written = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
    servers = {} if written["server"] is None else {"postgresql": written["server"]}
    cost = Cost(written["seconds"], written["client"], whole.peak, servers)
    records = place.source.records
    return Measurement(records, cost, checks.verify(place.database, checks.LIMIT, records))


OURS = "harvest_dagster, OAI-PMH"
FASTEST, DEFAULTS = "dlt, Arrow, insert-only merge, Parquet, ADBC", "dlt, defaults"
ORM = "ORM, get or create, a commit for each record"
LIMITS = {
    "postgresql": "COPY alone into the three tables",
    "sqlite": "executemany alone into the three tables",
}


def our_candidates() -> list[Candidate]:
    """Return what is measured of this product."""
    return [
        Candidate(OURS, "postgresql", ours("oai")),
        Candidate("the same records again", "postgresql", ours_again, follows=True),
        Candidate("transform `oai_dc`", "postgresql", our_transform, follows=True),
        Candidate(OURS, "sqlite", ours("oai")),
        Candidate("the same records again", "sqlite", ours_again, follows=True),
        Candidate("harvest_dagster, JSON", "postgresql", ours("json")),
        Candidate("harvest_dagster, JSON", "sqlite", ours("json")),
    ]


def other_candidates(*, with_tools: bool) -> list[Candidate]:
    """Return the other ways. `with_tools`: the compared tools are installed."""
    fastest, defaults, orm = "dlt_fastest.py", "dlt_defaults.py", "orm.py"
    compared = [
        Candidate(f"{FASTEST}, OAI-PMH", "postgresql", tool(fastest, "oai", checks.DLT)),
        Candidate(f"{FASTEST}, JSON", "postgresql", tool(fastest, "json", checks.DLT)),
        Candidate(
            f"{DEFAULTS}: Sickle, merge", "postgresql", tool(defaults, "oai", checks.DLT), DEFAULT_SIZE
        ),
        Candidate(
            f"{DEFAULTS}: rest_api, merge",
            "postgresql",
            tool(defaults, "json", checks.DLT_JSON),
            DEFAULT_SIZE,
        ),
    ]
    # SQLAlchemy is in our environment.
    own = Candidate(ORM, "postgresql", tool(orm, "oai", checks.ORM, python=sys.executable), "orm_records")
    return [*(compared if with_tools else ()), own]


def limit_candidates(harvested: dict[str, Place]) -> list[Candidate]:
    """Return the limits: the rows of a harvested database of each kind are written into a new one."""
    return [
        Candidate(LIMITS[database], database, partial(limit, harvested=place))
        for database, place in harvested.items()
    ]

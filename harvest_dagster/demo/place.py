"""The folder of the demo: the source as YAML, Dagster's home, and the environment that names both.

The source has the five days before the first demo in this folder: recent ones, so that Dagster's UI shows all of its
partitions, and the same ones ever after, so that what was harvested of them is done.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from harvest_dagster.simulator import Repository
from harvest_dagster.storage.engine import default_database_url

LABEL = "demo"
DAYS = 5

_CONFIG = """\
# Written by `make demo`. A source of your own is a file like this one.
label: {label}
name: {name}, simulated
home_page: {url}?verb=Identify
harvester: oai
harvester_kwargs:
  base_url: {url}
  metadata_prefix: oai_dc
transformer: oai_dc
rate_limit: {{calls: 20, period: 1}}
earliest_date: {first_day}
# While `harvest_by_schedule` is switched on in the UI: what is missing, every five minutes.
schedule: "*/5 * * * *"
"""
# A link to the settings that stand at the top of the repository; a wheel has the file itself.
_INSTANCE = Path(__file__).with_name("dagster.yaml")


@dataclass(frozen=True)
class Place:
    """The folder, absolute, and what lies where in it."""

    root: Path

    @property
    def config(self) -> Path:
        """The IngestConfig."""
        return self.root / "sources" / f"{LABEL}.yaml"

    def repository(self, today: date) -> Repository:
        """What is served and harvested here; its records are the same on each machine, but for their dates."""
        written = self.config.read_text(encoding="utf-8") if self.config.exists() else ""
        known = re.search(r"^earliest_date: (\d{4}-\d{2}-\d{2})$", written, re.MULTILINE)
        first_day = date.fromisoformat(known[1]) if known else today - timedelta(days=DAYS)
        return Repository(first_day=first_day, days=DAYS, records_per_day=200, page_size=50)

    @property
    def home(self) -> Path:
        """DAGSTER_HOME, where the harvest database lies by default, too."""
        return self.root / "dagster"

    @property
    def log(self) -> Path:
        """What Dagster printed last."""
        return self.root / "demo.log"

    @property
    def database_url(self) -> str:
        """The harvest database of the commands below."""
        return default_database_url(self.environment, self.root)

    @property
    def environment(self) -> dict[str, str]:
        """What the commands run in: the caller's own, but no other database, spool or catalogue."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HARVEST_")}
        return kept | {
            "HARVEST_SOURCES": str(self.config.parent),
            "DAGSTER_HOME": str(self.home),
            # `dagster` says at length that `dg` supersedes it, each time.
            "PYTHONWARNINGS": "ignore::FutureWarning",
            # A company's proxy does not know our loopback; the lower-case name is the one that wins.
            "no_proxy": ",".join(filter(None, [kept.get("no_proxy") or kept.get("NO_PROXY"), "127.0.0.1"])),
        }

    def prepare(self, url: str, repository: Repository) -> None:
        """Write the files; what earlier runs harvested stays."""
        for folder in (self.config.parent, self.home):
            folder.mkdir(parents=True, exist_ok=True)
        config = _CONFIG.format(label=LABEL, name=repository.name, url=url, first_day=repository.first_day)
        self.config.write_text(config, encoding="utf-8")
        (self.home / "dagster.yaml").write_bytes(_INSTANCE.read_bytes())

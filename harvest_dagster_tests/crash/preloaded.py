"""What a fork server does once, before it forks the commands of the crash tests (`child`), or the ops of a run.

Each process would otherwise import these modules and read the migration scripts of Dagster.
"""

from __future__ import annotations

import dagster as dg
import psycopg  # noqa: F401
import upath  # noqa: F401

import harvest_dagster.harvesters.oai.client
import harvest_dagster.transformers.formats.oai_dc.transformer  # noqa: F401
import harvest_dagster_tests.crash.child  # noqa: F401
from harvest_dagster_tests.cheap_processes import keep_migration_scripts, make_collections_rare

keep_migration_scripts()
with dg.DagsterInstance.ephemeral():
    pass
dg.AssetSelection.from_string("any")  # imports the parser of selections
make_collections_rare()

"""The list of the generated pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from harvest_dagster.reference import database, environment_variables, formats, run_config, yaml_keys

ROOT = Path(__file__).parents[2]

# Paths below the root of the repository.
PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/yaml.md": yaml_keys.page,
    "docs/reference/formats.md": formats.page,
    "docs/reference/database.md": database.page,
    "docs/reference/run_config.md": run_config.page,
    "docs/reference/environment.md": environment_variables.page,
}

"""Harvests metadata records from remote sources with Dagster, and proves that none is missing.

The layers, lowest first:

- shared values and errors: `errors`, `windows`, `records`, `plugins` and others
- `catalog` (the sources), `http` (the session), `storage` (the database) and `spool` (the fetched pages)
- `harvesters` and `transformers`
- `coverage`: what is harvested, what is missing, what is due
- `data`: what was harvested, for readers
- `pipeline`: the steps of a harvest, without Dagster; `status`: the state of sources as people read it
- `orchestration`: assets, jobs, checks and sensors. Only this package, `definitions` and `harvest run` import Dagster
- `diagnosis`: requests to a source outside of a harvest
- `definitions` (the code location) and `testing` (the simulator and the conformance suite)
- `cli` (the command line), `demo`, and `reference` (the generated pages of the documentation)

Each layer imports only from the layers below it. The contracts in `pyproject.toml` enforce this.
"""

from importlib import import_module

__version__ = "0.1.0"

# Imported on first use: importing Dagster takes two seconds, and most of the package does not need it.
_LAZY = {
    "HarvestData": "harvest_dagster.orchestration.harvest_data",
    "HarvestSources": "harvest_dagster.orchestration.component",
}


def __getattr__(name: str) -> object:
    """Return a public name that needs Dagster."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    """Return all names, including those that are imported on first use."""
    return sorted({*globals(), *_LAZY})

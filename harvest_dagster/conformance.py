"""Short name of `harvest_dagster.testing.conformance` for `python -m harvest_dagster.conformance`."""

from harvest_dagster.testing.conformance.__main__ import run

if __name__ == "__main__":
    run()

"""`python -m harvest_dagster.cli`: the command `harvest`."""

from harvest_dagster.cli.app import harvest

if __name__ == "__main__":
    harvest(prog_name="harvest")

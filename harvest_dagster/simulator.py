"""Short name of `harvest_dagster.testing.simulator` for `python -m harvest_dagster.simulator`."""

import sys

from harvest_dagster.testing.simulator.__main__ import main

if __name__ == "__main__":
    sys.exit(main())

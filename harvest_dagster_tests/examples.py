"""Whether property tests have other examples in each run (`make test-random`)."""

from __future__ import annotations

import os

RANDOM_EXAMPLES = bool(os.environ.get("HARVEST_TEST_RANDOM"))

"""Loading a transformer imports only its class and its arguments."""

from __future__ import annotations

import subprocess
import sys

from harvest_dagster.plugins import BUILT_IN, TRANSFORMERS

CODE = """
import sys
from harvest_dagster import plugins
for key in sys.argv[1:]:
    plugins.load(plugins.TRANSFORMERS, key).Arguments
    heavy = {"harvest_dagster.transformers.document", "harvest_dagster.transformers.builder", "msgspec", "lxml"}
    assert not heavy & sys.modules.keys(), (key, heavy & sys.modules.keys())
"""


def test_loading_the_transformers_imports_neither_the_document_nor_a_parser() -> None:
    """The catalog loads the class of each source. `harvest list` would otherwise take 0.02 s more."""
    result = subprocess.run(
        [sys.executable, "-c", CODE, *BUILT_IN[TRANSFORMERS]], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr

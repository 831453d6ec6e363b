"""Harvest the simulator with metha, a program in Go that must be on PATH: `python run_metha.py URL`.

`metha-sync` harvests, and `metha-cat` prints the records.
"""

import os
import re
import subprocess
import sys
import tempfile

with tempfile.TemporaryDirectory() as folder:
    environment = {**os.environ, "METHA_DIR": folder}
    done = subprocess.run(
        ["metha-sync", "-from", "2024-03-01", sys.argv[1]], env=environment, stdout=sys.stderr, check=False
    )
    cat = subprocess.run(["metha-cat", sys.argv[1]], env=environment, stdout=subprocess.PIPE, check=False)
    for identifier in re.findall(rb"<identifier>(oai:[^<]*)</identifier>", cat.stdout):
        print(identifier.decode())
    sys.exit(done.returncode)

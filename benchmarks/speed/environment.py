"""The environment of the tools that are only compared: `build/benchmarks`, with the versions of requirements.txt."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from common.services import ROOT

FOLDER = ROOT / "build" / "benchmarks"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
PYTHON = FOLDER / "bin" / "python"


def install() -> Path | None:
    """Install the tools once. Return their Python, or None, with a message, if they cannot be installed."""
    stamp, wanted = FOLDER / "installed", REQUIREMENTS.read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return PYTHON
    print(f"Installing the compared tools into {FOLDER}", file=sys.stderr, flush=True)
    venv.create(FOLDER, with_pip=True)
    done = subprocess.run(
        [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS],
        check=False,
    )
    if done.returncode:
        print("The compared tools could not be installed; they are left out.", file=sys.stderr)
        return None
    stamp.write_text(wanted, encoding="utf-8")
    return PYTHON


def versions() -> dict[str, str]:
    """Return the versions of the compared tools, from the requirements."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    pinned = [line.partition("==") for line in lines if not line.startswith("#")]
    return {name.partition("[")[0]: number for name, _, number in pinned}

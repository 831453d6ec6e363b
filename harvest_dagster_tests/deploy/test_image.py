"""deploy/image: the Dockerfile. No test builds it: there is no daemon of Docker."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from harvest_dagster_tests.deploy.files import DEPLOY, ROOT, read

DOCKERFILE = read("image/Dockerfile")
BUILD, FINAL = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]


def test_hadolint_has_no_finding() -> None:
    """It knows the mistakes of others, such as a cache of packages in the image."""
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [program, "--no-color", DEPLOY / "image/Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_process_is_not_root_and_has_a_number() -> None:
    """Kubernetes refuses a name if runAsNonRoot is set, because it cannot know which user it is."""
    (user,) = re.findall(r"^USER (.*)$", FINAL, re.MULTILINE)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert f"--uid {user.split(':')[0]}" in FINAL


def test_the_base_is_pinned_and_the_same_in_both_stages() -> None:
    """An environment of another Python does not run."""
    (base,) = re.findall(r"^ARG PYTHON=python:(.*)$", DOCKERFILE, re.MULTILINE)
    assert re.match(r"3\.\d+\.\d+-slim-", base)
    assert BUILD.startswith("${PYTHON} AS build")
    assert FINAL.startswith("${PYTHON}\n")


def test_the_image_has_only_the_package() -> None:
    """A secret or a database of a working directory would be published with the image."""
    assert re.findall(r"^(?:COPY|ADD) (.*)$", FINAL, re.MULTILINE) == ["--from=build /opt/venv /opt/venv"]
    ignored, *kept = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"
    ]
    copied = {
        name.strip("./")
        for line in re.findall(r"^COPY (.*)$", BUILD, re.MULTILINE)
        for name in line.split()[:-1]
    }
    assert ignored == "*"
    assert {line.removeprefix("!") for line in kept if line[0] == "!"} == copied
    assert all((ROOT / name).exists() for name in copied)
    assert not re.search(r"(?i)(password|secret|token)=", DOCKERFILE)


def test_the_extras_of_the_image_exist() -> None:
    """pip only warns of an unknown extra, and the image would lack the object store."""
    from importlib.metadata import metadata

    (extras,) = re.findall(r"^ARG EXTRAS=(.*)$", DOCKERFILE, re.MULTILINE)
    assert set(extras.split(",")) <= set(metadata("harvest_dagster").get_all("Provides-Extra") or ())

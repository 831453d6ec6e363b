"""The README and the guides to plug-ins and JSON APIs, taken at their word: what they show is run.

The word after a block's language says how: `run` in one shell, in order; `background` beside it; `internet`
stands for what is not run, but checked as far as that goes without; `ci` is run by `.ci/run` itself; a file name
is where the text is saved.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import ProtocolError
from harvest_dagster.harvesters.interface import Harvester
from harvest_dagster.orchestration.config import AdHocParameters
from harvest_dagster.records import Cursor, Unreadable
from harvest_dagster.windows import Window

ROOT = Path(__file__).parents[1]
LANGUAGES = {"sh", "yaml", "sql", "python", "toml"}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the word after it, its text."""

    language: str
    word: str
    text: str


def blocks(file: str) -> list[Block]:
    text = (ROOT / file).read_text(encoding="utf-8")
    return [
        Block(*found) for found in re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def marked(file: str, word: str) -> list[str]:
    found = [block.text for block in blocks(file) if block.word == word]
    assert found, f"{file} has no block marked {word}"
    return found


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


@pytest.mark.parametrize("file", ["README.md", "docs/plugins.md", "docs/json.md"])
def test_every_block_says_how_it_is_checked(file) -> None:
    """A block without a word would be run by nobody, and rot."""
    found = blocks(file)
    assert len(found) * 2 == (ROOT / file).read_text(encoding="utf-8").count("\n```")
    assert [block for block in found if block.language not in LANGUAGES or not block.word] == []


@pytest.mark.parametrize("file", ["README.md", "docs/plugins.md", "docs/json.md"])
def test_what_is_linked_is_there(file) -> None:
    """A dead link is a promise broken."""
    text = (ROOT / file).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / file).parent.joinpath(target).exists()] == []


def test_ci_runs_what_the_readme_names_first() -> None:
    """The two commands are what everybody types; they are too long for a test."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    for command in "".join(marked("README.md", "ci")).splitlines():
        assert f"run {command}" in script


def test_what_needs_the_internet_names_a_source_and_days_that_exist() -> None:
    """The commands for arXiv cannot be run here, but what they name can be looked up."""
    for command in marked("README.md", "internet"):
        words = shlex.split(command.replace("\\\n", " "))
        kinds = [asset.split("/")[0] for asset in words[words.index("--select") + 1].split(",")]
        labels = {asset.split("/")[1] for asset in words[words.index("--select") + 1].split(",")}
        (config,) = [config for config in load_catalog("bundled").configs if config.label in labels]
        assert kinds == ["raw", "transformed"]
        assert config.transformer is not None
        day = date.fromisoformat(words[words.index("--partition") + 1])
        assert config.earliest_date <= day < datetime.now(timezone.utc).date()


def test_the_parameters_are_those_of_the_job() -> None:
    """A parameter that is new, or has another default, must be told."""
    rows = re.findall(
        r"^\| ((?:`\w+`(?:, )?)+) \| ?(\w*) \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE
    )
    told = {name: default for names, default in rows for name in re.findall(r"\w+", names)}
    fields = AdHocParameters.model_fields
    defaults = {
        name: "" if field.default is None else str(field.default).lower() for name, field in fields.items()
    }
    assert told == defaults | {"limit": "none"}


@pytest.mark.slow
def test_the_commands_of_the_readme_work_as_they_stand(tmp_path, postgresql) -> None:
    """They are the first that people type, in this order, in one shell."""
    port = free_port()
    with postgresql.database() as url:
        here = {"8090": port, "postgresql://harvest:secret@localhost/harvest": f"'{url}'"}
        checkout(tmp_path)
        for block in blocks("README.md"):
            if block.language == "yaml":
                (tmp_path / block.word).parent.mkdir(exist_ok=True)
                (tmp_path / block.word).write_text(replaced(block.text, here), encoding="utf-8")
        (beside,) = marked("README.md", "background")
        with background(replaced(beside, here), tmp_path):
            shell(replaced("\n".join(commands("README.md")), here), tmp_path)
    (query,) = [block.text for block in blocks("README.md") if block.language == "sql"]
    connection = sqlite3.connect(tmp_path / ".dagster" / "harvest.db")
    logs = {row[0][:10]: row[2:] for row in connection.execute(query)}
    connection.close()
    assert logs["2024-01-01"][:2] == ("SUCCEEDED", "complete")
    assert logs["2024-01-04"][0] == "SUCCEEDED"


def commands(file: str) -> list[str]:
    return [block.text for block in blocks(file) if block.language == "sh" and block.word == "run"]


def replaced(text: str, here: dict[str, str]) -> str:
    for there, mine in here.items():
        text = text.replace(there, mine)
    return text


def checkout(folder: Path) -> None:
    """The checkout with this interpreter's environment, but nothing that earlier runs have left."""
    for entry in ROOT.iterdir():
        if entry.name not in {".venv", ".dagster", ".demo", ".git"}:
            (folder / entry.name).symlink_to(entry)
    scripts = folder / ".venv" / "bin"
    scripts.mkdir(parents=True)
    scripts.joinpath("activate").write_text(f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH\n")


def shell(script: str, folder: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HARVEST_", "DAGSTER_"))
    }
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def background(command: str, folder: Path) -> Iterator[None]:
    """A command that goes on until it is told to end; its first line says that it is up."""
    words = [sys.executable, *shlex.split(command)[1:]]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.stdout.read()
        assert process.wait() == 0


class Answers:
    """A session that gives these bodies, and keeps what it was asked."""

    def __init__(self, *bodies: str) -> None:
        self.bodies = list(bodies)
        self.asked: list[dict[str, str]] = []

    def get(self, url: str, params: dict[str, str], headers: dict[str, str]) -> SimpleNamespace:
        assert headers == {"Authorization": "Bearer key"}
        self.asked.append(params)
        received = datetime(2024, 1, 2, tzinfo=timezone.utc)
        return SimpleNamespace(body=self.bodies.pop(0).encode(), url=url, status=200, received=received)


def museum(*bodies: str) -> tuple[Harvester, Answers]:
    """The harvester of the guide."""
    module = ModuleType("museum")
    exec(marked("docs/plugins.md", "museum.py")[0], module.__dict__)  # noqa: S102 - our own guide
    session = Answers(*bodies)
    arguments = module.Museum.Arguments(base_url="https://museum.example/", api_key="key")
    return module.Museum(arguments, session), session


DAY = Window(
    datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(2024, 1, 1, tzinfo=timezone.utc) + timedelta(days=1)
)
FIRST = '{"total": 2, "next": "b", "records": [{"id": "1", "updated": "2024-01-01T05:00:00Z"}]}'
LAST = '{"total": 2, "next": null, "records": [{"id": "2"}]}'


def test_the_harvester_of_the_guide_walks_the_list_and_sets_aside_what_it_cannot_read() -> None:
    """People copy it: it must do what it tells them to do."""
    harvester, session = museum(FIRST, LAST)
    first, last = harvester.pages(DAY)
    assert [asked.get("cursor") for asked in session.asked] == [None, "b"]
    assert (first.next, last.next, last.total) == (Cursor("b"), None, 2)
    (record,) = harvester.records(first, DAY)
    (unreadable,) = harvester.records(last, DAY)
    assert (record.identifier, record.datestamp) == ("1", datetime(2024, 1, 1, 5, tzinfo=timezone.utc))
    assert isinstance(unreadable, Unreadable)


def test_the_harvester_of_the_guide_goes_on_from_a_cursor_and_refuses_what_is_no_list() -> None:
    """The same, for the ways that go wrong."""
    harvester, session = museum(LAST)
    assert len(list(harvester.pages(DAY, Cursor("b")))) == 1
    assert session.asked[0]["cursor"] == "b"
    harvester, _ = museum("<html>")
    with pytest.raises(ProtocolError, match=r"museum\.example"):
        next(harvester.pages(DAY))


def test_the_source_of_the_guide_is_one(tmp_path) -> None:
    """But for its harvester, which is not installed here."""
    (text,) = marked("docs/plugins.md", "sources/museum.yaml")
    assert IngestConfig.model_validate(yaml.safe_load(text)).label == "museum"

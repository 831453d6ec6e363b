"""The README and the guides: tests run the code blocks that they show.

The word after the language of a block says how it is tested. `run` blocks run in one shell, in order. A `background`
block runs next to them. An `internet` block is not run, but the test checks the names in it. `ci` blocks are run by
`.ci/run`. `in`, `out` and `output` blocks are compared with what the demo harvests. Any other word is the name of the
file that the text is saved to.
"""

from __future__ import annotations

import json
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
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from urllib.parse import quote
from urllib.request import urlopen
from xml.sax.saxutils import escape

import pytest
import yaml
from lxml import etree

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.cli.app import COMMANDS
from harvest_dagster.demo.folder import DemoFolder
from harvest_dagster.errors import ProtocolError, TransformError
from harvest_dagster.harvesters.interface import Client, Parser
from harvest_dagster.harvesters.oai.records import parse_record
from harvest_dagster.records import Cursor, InvalidRecord, Record
from harvest_dagster.testing.simulator import Server
from harvest_dagster.transformers.formats.oai_dc.transformer import OaiDcTransformer
from harvest_dagster.transformers.interface import Transformer
from harvest_dagster.windows import Window

ROOT = Path(__file__).parents[1]
# Their commands run in this order, in one shell: each page continues the one before.
WALK = ("README.md", "docs/first-harvest.md", "docs/adding-a-source.md", "docs/runs.md")
OAI = "{http://www.openarchives.org/OAI/2.0/}"
# Code: fenced and indented blocks, and inline code.
CODE = re.compile(r"^```.*?^```$|^    .*$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
LANGUAGES = {"sh", "yaml", "sql", "python", "toml", "xml", "json", "text"}


@dataclass(frozen=True)
class Block:
    """A fenced code block: its language, the word after the language, and its text."""

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


@pytest.mark.parametrize("file", [*WALK, "docs/plugins.md", "docs/rest.md", "docs/oai-cookbook.md"])
def test_every_block_says_how_it_is_tested(file) -> None:
    """A block without such a word is not tested, and becomes wrong without notice."""
    found = blocks(file)
    assert len(found) * 2 == (ROOT / file).read_text(encoding="utf-8").count("\n```")
    assert [block for block in found if block.language not in LANGUAGES or not block.word] == []


def test_ci_runs_the_first_commands_of_the_readme() -> None:
    """Everybody types these two commands, and they take too long for a test."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    found = [block.text for file in WALK for block in blocks(file) if block.word == "ci"]
    assert found
    for command in "".join(found).splitlines():
        assert f"run {command}" in script


def test_the_commands_for_the_internet_name_an_existing_source_and_day() -> None:
    """The commands for arXiv cannot run in a test, but the source and the day in them can be checked."""
    found = "".join(block.text for file in WALK for block in blocks(file) if block.word == "internet")
    runs = re.findall(r"harvest run (\w+) --from (\S+)", found)
    runs += re.findall(r"dg launch --assets raw/(\w+),transformed/\1 --partition (\S+)", found)
    assert len(runs) == found.count("harvest run ") + found.count("dg launch ") >= 2
    configs = {config.label: config for config in load_catalog("bundled").configs}
    for label, day in runs:
        assert configs[label].transformer is not None
        assert configs[label].earliest_date <= date.fromisoformat(day) < datetime.now(timezone.utc).date()


@cache
def demo_records() -> dict[str, Record]:
    """Return the records of the repository of the demo by their title, as the harvester stores them."""
    repository = DemoFolder(Path("/nowhere")).repository(date(2026, 11, 30))
    with Server(repository) as server:
        url, found = f"{server.url}?verb=ListRecords&metadataPrefix=oai_dc", []
        while url:
            with urlopen(url) as response:  # noqa: S310  # our own server
                page = etree.parse(response)
            found += [parse_record(element) for element in page.iterfind(f".//{OAI}record")]
            token = page.findtext(f".//{OAI}resumptionToken")
            url = f"{server.url}?verb=ListRecords&resumptionToken={quote(token)}" if token else ""
    return {record.identifier: record for record in found if isinstance(record, Record)}


def test_the_record_and_the_document_of_the_readme_are_real() -> None:
    """An invented example shows what somebody would like to come out."""
    (received,), (document,) = marked("README.md", "in"), marked("README.md", "out")
    shown = json.loads(document)
    record = demo_records()[shown["id"]]
    for part in received.replace("\n", "").split("…"):
        assert part.strip() in record.blob
    made = json.loads(
        OaiDcTransformer(OaiDcTransformer.Arguments()).transform(record.identifier, record.blob).to_json()
    )
    assert {name: made[name] for name in shown} == shown


def test_the_table_of_the_readme_is_what_the_demo_prints() -> None:
    """The dates change every day, but the numbers and titles do not."""
    (output,) = marked("README.md", "output")
    rows = [line.split(maxsplit=5) for line in output.splitlines() if line.startswith("2026-")]
    for number, (_, records, new, deleted, transformed, title) in enumerate(rows):
        day = list(demo_records().values())[number * 200 : (number + 1) * 200]
        count = sum(record.deleted for record in day)
        assert (records, new, deleted, transformed) == ("200", "200", str(count), str(200 - count))
        assert any(f"<dc:title>{escape(title)}</dc:title>" in record.blob for record in day)
    assert len(rows) == 5


@cache
def documentation() -> dict[str, str]:
    """Return the README and the pages by their file, without the decisions, which describe their time."""
    files = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    return {path.name: path.read_text(encoding="utf-8") for path in files}


def test_every_command_that_the_documentation_names_exists() -> None:
    """A command that was renamed, or that is not there yet, costs a reader the trust in the page."""
    unknown = {
        (file, name)
        for file, text in documentation().items()
        for code in CODE.findall(text)
        for name in re.findall(r"(?:^|`)\s*(?:\$ )?(?:\w+=\S+ )*harvest ([a-z]+)", code, re.MULTILINE)
        if name not in COMMANDS
    }
    assert unknown == set()


def test_the_sources_of_the_cookbook_are_valid(tmp_path: Path) -> None:
    """People copy them. `pipeline/test_oai_cookbook.py` harvests odd repositories with them."""
    for block in blocks("docs/oai-cookbook.md"):
        (tmp_path / Path(block.word).name).write_text(block.text, encoding="utf-8")
    catalog = load_catalog(str(tmp_path))
    assert catalog.problems == ()
    assert sorted(config.label for config in catalog.configs) == sorted(
        path.stem for path in tmp_path.iterdir()
    )


@pytest.mark.slow
def test_the_commands_of_the_readme_and_the_first_guides_work(tmp_path, postgresql) -> None:
    """New users type them first, in this order, in one shell."""
    port = free_port()
    with postgresql.database() as url:
        replacements = {"8090": port, "postgresql://harvest:secret@localhost/harvest": f"'{url}'"}
        checkout(tmp_path)
        walk = [block for file in WALK for block in blocks(file)]
        for block in walk:
            if block.language == "yaml":
                (tmp_path / block.word).parent.mkdir(exist_ok=True)
                (tmp_path / block.word).write_text(replaced(block.text, replacements), encoding="utf-8")
        (background_command,) = [block.text for block in walk if block.word == "background"]
        commands = [block.text for block in walk if (block.language, block.word) == ("sh", "run")]
        with background(replaced(background_command, replacements), tmp_path):
            shell(replaced("\n".join(commands), replacements), tmp_path)
    (query,) = [block.text for block in walk if block.language == "sql"]
    connection = sqlite3.connect(tmp_path / ".dagster" / "harvest.db")
    logs = {row[0][:10]: row[2:] for row in connection.execute(query)}
    connection.close()
    assert logs["2024-01-01"][:2] == ("SUCCEEDED", "complete")
    assert logs["2024-01-04"][0] == "SUCCEEDED"


def replaced(text: str, replacements: dict[str, str]) -> str:
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


def checkout(folder: Path) -> None:
    """Make a checkout with the environment of this interpreter and without files of earlier runs."""
    for entry in ROOT.iterdir():
        if entry.name not in {".venv", ".dagster", ".demo", ".git"}:
            (folder / entry.name).symlink_to(entry)
    scripts = folder / ".venv" / "bin"
    scripts.mkdir(parents=True)
    programs = shlex.quote(str(Path(sys.executable).parent))
    scripts.joinpath("activate").write_text(f"export VIRTUAL_ENV=$PWD/.venv PATH={programs}:$PATH\n")


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
        timeout=3600,  # only a busy machine needs so long
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def background(command: str, folder: Path) -> Iterator[None]:
    """Run a command in the background; its first line of output says that it is ready."""
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


class ScriptedSession:
    """A session that returns the given bodies and records its requests."""

    def __init__(self, *bodies: str) -> None:
        self.bodies = list(bodies)
        self.requests: list[dict[str, str]] = []

    def get(self, url: str, params: dict[str, str], headers: dict[str, str]) -> SimpleNamespace:
        assert headers == {"Authorization": "Bearer key"}
        self.requests.append(params)
        received = datetime(2024, 1, 2, tzinfo=timezone.utc)
        return SimpleNamespace(body=self.bodies.pop(0).encode(), url=url, status=200, received=received)


def museum(*bodies: str) -> tuple[Client, Parser, ScriptedSession]:
    """Return the client and the parser of the guide's harvester, and the session of the client."""
    module = ModuleType("museum")
    exec(marked("docs/plugins.md", "museum.py")[0], module.__dict__)  # noqa: S102 - our own guide
    session = ScriptedSession(*bodies)
    harvester = module.Museum(module.Museum.Arguments(base_url="https://museum.example/", api_key="key"))
    return harvester.client(session), harvester.parser(), session


DAY = Window(
    datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(2024, 1, 1, tzinfo=timezone.utc) + timedelta(days=1)
)
FIRST = '{"total": 2, "next": "b", "records": [{"id": "1", "updated": "2024-01-01T05:00:00Z"}]}'
LAST = '{"total": 2, "next": null, "records": [{"id": "2"}]}'


def test_the_harvester_of_the_guide_fetches_the_list_and_reports_invalid_records() -> None:
    """Authors of plug-ins copy it."""
    client, parser, session = museum(FIRST, LAST)
    first, last = client.pages(DAY)
    assert [params.get("cursor") for params in session.requests] == [None, "b"]
    assert (first.next, last.next, last.total) == (Cursor("b"), None, 2)
    (record,) = parser.records(first, DAY)
    (invalid,) = parser.records(last, DAY)
    assert (record.identifier, record.datestamp) == ("1", datetime(2024, 1, 1, 5, tzinfo=timezone.utc))
    assert isinstance(invalid, InvalidRecord)


def test_the_harvester_of_the_guide_resumes_from_a_cursor_and_rejects_other_responses() -> None:
    """Authors of plug-ins copy the error handling, too."""
    client, _, session = museum(LAST)
    assert len(list(client.pages(DAY, Cursor("b")))) == 1
    assert session.requests[0]["cursor"] == "b"
    client, _, _ = museum("<html>")
    with pytest.raises(ProtocolError, match=r"museum\.example"):
        next(client.pages(DAY))


def test_the_source_of_the_guide_is_valid(tmp_path) -> None:
    """Its harvester is not installed here, so only the schema is checked."""
    (text,) = marked("docs/plugins.md", "sources/museum.yaml")
    assert IngestConfig.model_validate(yaml.safe_load(text)).label == "museum"


def museum_objects(**arguments: str) -> Transformer:
    """Return the transformer of the guide."""
    module = ModuleType("museum_objects")
    exec(marked("docs/plugins.md", "museum_objects.py")[0], module.__dict__)  # noqa: S102 - our own guide
    transformer = module.MuseumObjects
    assert issubclass(transformer, Transformer)
    return transformer(transformer.Arguments(**arguments))


def test_the_transformer_of_the_guide_loses_nothing_and_rejects_a_datum_without_a_title() -> None:
    """Authors of plug-ins copy it."""
    datum = {"id": "1", "title": "Vase", "makers": ["Doe, J."], "year": 1900, "room": 3}
    document = json.loads(museum_objects(language="en").transform("1", json.dumps(datum)).to_json())
    assert (document["titles"], document["creators"]) == (
        [{"text": "Vase", "language": "en"}],
        [{"name": "Doe, J."}],
    )
    assert (document["dates"], document["unmapped"]) == (
        [{"value": "1900"}],
        [{"path": "room", "text": "3"}],
    )
    with pytest.raises(TransformError, match=r"no title, only \['id'\]"):
        museum_objects().transform("1", '{"id": "1"}')


def test_the_stable_imports_exist() -> None:
    """A plug-in that follows the guide must not break."""
    text = (ROOT / "docs/plugins.md").read_text(encoding="utf-8").partition("## Stable imports")[2]
    rows = re.findall(r"^\| `([\w.]+)` \| (.*) \|$", text, re.MULTILINE)
    assert rows
    for module, contents in rows:
        found = import_module(module)
        assert [name for name in re.findall(r"`(\w+)`", contents) if not hasattr(found, name)] == []

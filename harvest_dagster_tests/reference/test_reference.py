"""The generated pages in docs/reference: up to date, and complete where the code has the facts only in comments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

import harvest_dagster
from harvest_dagster.environment import OF_OTHERS, OURS
from harvest_dagster.reference import database, docstrings, table_comments
from harvest_dagster.reference.markdown import prose, table
from harvest_dagster.reference.pages import PAGES, ROOT
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.tables import CONTRACT_COLUMNS, metadata


@pytest.mark.parametrize("file", PAGES)
def test_the_generated_pages_are_up_to_date(file: str) -> None:
    """Users would read about keys and columns that no longer exist. Run `make reference` if this fails."""
    assert (ROOT / file).read_text(encoding="utf-8") == PAGES[file](), "Run `make reference`."


def test_the_list_of_environment_variables_is_complete() -> None:
    """A variable that only the code knows cannot be set by anybody, and a listed one that nobody reads does nothing."""
    package = Path(harvest_dagster.__file__).parent
    files = [path for path in package.rglob("*.py") if path.name != "environment.py"]
    read = {
        name
        for path in files
        for name in re.findall(r"\bHARVEST_[A-Z_]+\b", path.read_text(encoding="utf-8"))
    }
    listed = [name for variable in OURS for name in variable.names]
    assert sorted(read - {"HARVEST_STATUSES"}) == sorted(listed)
    settings = (ROOT / "deploy/postgresql/dagster.yaml").read_text(encoding="utf-8")
    others = {name for variable in OF_OTHERS for name in variable.names}
    assert set(re.findall(r"env: (\w+)", settings)) <= others


def test_the_columns_of_the_views_are_those_of_a_database(tmp_path: Path) -> None:
    """The views are defined in migrations, so their reference is the only list in the code."""
    url = f"sqlite:///{tmp_path / 'harvest.db'}"
    Database.open(url).dispose()
    engine = create_engine(url)
    inspector = inspect(engine)
    views = {
        name: [column["name"] for column in inspector.get_columns(name)]
        for name in inspector.get_view_names()
    }
    engine.dispose()
    assert views == {name: list(columns) for name, columns in database.VIEWS.items()}


def test_every_table_has_a_description_and_every_column_of_the_contract_exists() -> None:
    """A comment that moves away from its table would silently leave the reference."""
    comments = table_comments.read()
    assert [name for name in metadata.tables if not comments[name].table] == []
    for name, columns in CONTRACT_COLUMNS.items():
        assert set(columns) <= set(metadata.tables[name].columns.keys())


def test_a_comment_belongs_to_its_own_column() -> None:
    """The comment above an index, or of the next column, would describe something else."""
    columns = table_comments.read()["harvest_log"].columns
    assert columns["run_id"] == "the last run"
    assert columns["covered_since"].startswith("Start of the list that made this row cover its window.")
    assert "status" not in columns


def test_text_of_the_code_stays_text_in_markdown() -> None:
    """`raw/<label>` became an unknown HTML tag, and a `|` another column."""
    assert prose("the asset is raw/<label>, `a<b`") == "the asset is raw/&lt;label>, `a<b`"
    assert table(["a"], [["x|y"]]).splitlines()[-1] == "| x\\|y |"


@dataclass
class Documented:
    """A class.

    More about it.

    Attributes:
        first: a text
            in two lines: with a colon.
        second: another one.
    """


def test_the_attributes_of_a_docstring_are_read() -> None:
    """They are the only description of the arguments of harvesters."""
    assert docstrings.attributes(Documented) == {
        "first": "a text in two lines: with a colon.",
        "second": "another one.",
    }
    assert docstrings.summary(Documented) == "A class."

"""What we create is private, and a file in place of a directory is found."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from harvest_dagster.errors import BadInput
from harvest_dagster.private_files import make_directory, write_file
from harvest_dagster.records import Cursor, Page, Record, Request
from harvest_dagster.spool import FetchSummary, ParsedPage, ParsedPageWriter, Spool, SubWindow
from harvest_dagster.storage.database import Database
from harvest_dagster.windows import Window

NOW = datetime(2024, 5, 1, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """The umask of most systems lets everybody read new files. This one lets everybody write them, too."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Return the permissions of everything below a folder."""
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}


def assert_private(folder: Path) -> None:
    found = modes(folder)
    assert found
    for name, mode in found.items():
        assert mode == (0o700 if (folder / name).is_dir() else 0o600), name


def test_the_units_for_systemd_let_no_other_user_read_new_files() -> None:
    """Dagster itself writes run logs, events and outputs with the umask of its unit."""
    units = sorted((Path(__file__).parents[1] / "deploy" / "systemd").glob("*.service"))
    assert len(units) == 3
    for unit in units:
        service = unit.read_text(encoding="utf-8").partition("[Service]\n")[2].partition("\n[")[0]
        assert "UMask=0077" in service.splitlines(), unit.name


def test_the_spool_is_private(tmp_path: Path) -> None:
    """Other users of the machine could read pages and records, which may contain personal data."""
    spool = Spool(str(tmp_path / "home" / "spool")).attempt("label", "window", "attempt")
    page = Page(b"<a/>", Request("http://x.test"), 200, NOW, Cursor(), None, 1)
    spool.write_page(0, page, SubWindow(0, Window(NOW, NOW + timedelta(days=1))))
    summary = FetchSummary(1, 1, "unverified")
    spool.write_summary(summary)
    writer = ParsedPageWriter(spool)
    writer.add(ParsedPage([Record("x", NOW, False, "A")], []))
    writer.end(summary)
    assert_private(tmp_path)


def test_a_new_sqlite_file_is_private(tmp_path: Path) -> None:
    """Also its directory, its write-ahead log and its shared memory."""
    with Database.open(f"sqlite:///{tmp_path / 'home' / 'harvest.db'}"):
        assert_private(tmp_path)


def test_what_exists_keeps_its_permissions(tmp_path: Path) -> None:
    """An operator may share a directory or a database with a group."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o770)
    write_file(shared / "file", b"1")
    (shared / "file").chmod(0o660)
    make_directory(shared)
    write_file(shared / "file", b"2")
    assert modes(tmp_path) == {"shared": 0o770, "shared/file": 0o660}


@pytest.mark.parametrize("below", ["", "/a/b"])
def test_a_file_in_place_of_the_spool_is_one_clear_error(tmp_path: Path, below: str) -> None:
    """The harvest failed at its first page, after it had taken the lease and asked the source."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BadInput, match=r"file is a file. Move that file away, or set HARVEST_SPOOL"):
        Spool(f"{tmp_path}/file{below}").require_directory()
    assert (tmp_path / "file").read_text() == "mine"


def test_a_spool_that_does_not_exist_yet_is_no_error(tmp_path: Path) -> None:
    """It is created when its first page is written."""
    Spool(str(tmp_path / "home" / "spool")).require_directory()
    assert modes(tmp_path) == {}

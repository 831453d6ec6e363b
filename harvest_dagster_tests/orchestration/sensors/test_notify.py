"""The sensor `notify` with a real mail server and real webhooks: each change of state is reported once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import delete, select, update

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.sensors import notify
from harvest_dagster.orchestration.translator import Translation, translate_catalog
from harvest_dagster.records import InvalidRecord
from harvest_dagster.storage import ingest_configs, tables
from harvest_dagster.storage.harvest_log import quarantine, queries, transitions
from harvest_dagster.storage.tables import harvest_log_run
from harvest_dagster.testing.simulator import Server
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS
from harvest_dagster_tests.orchestration.notifications.receivers import Webhook, mail_server, webhook
from harvest_dagster_tests.orchestration.sensors.conftest import World, config
from harvest_dagster_tests.orchestration.sweep_rows import add_sweep, hold_deletions

NAME = "notify"
# The other tests execute the same statements on both databases.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """A webhook, named by HARVEST_NOTIFY."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with webhook() as hook:
        monkeypatch.setenv("HARVEST_NOTIFY", hook.url())
        yield hook


def bodies(hook: Webhook) -> str:
    return "\n".join(document["message"] for document in hook.received)


def quarantined(world: World, label: str, number: int) -> None:
    """Add quarantined records to the last log of a source."""
    scope = world.scope(label)
    with world.database.begin() as connection:
        log = queries.find_last_finished(connection, scope, 1)[0]
        invalid = [InvalidRecord(b"<", "not XML", f"{label}:{n}") for n in range(number)]
        quarantine.add_records(connection, log, 0, invalid, world.clock())


def refused(world: World, label: str, reason: str | None) -> None:
    """Record that preflight refused the source, or let it pass."""
    key = world.scope(label).ingest_config_id
    with world.database.begin() as connection:
        if reason is None:
            ingest_configs.clear_refusal(connection, key)
        else:
            ingest_configs.mark_refused(connection, key, reason, world.clock())


def test_each_change_of_a_source_is_reported_once(world: World, hook: Webhook) -> None:
    """Operators noticed failures after months, or got the same message every hour: docs/failures.md#notify-once"""
    world.sources(config("a", name="Source A", schedule=None), config("b", schedule=None))
    world.harvested("a", 1, 2)
    world.harvested("b", 1, 2)

    def told() -> list[str]:
        before = len(hook.received)
        world.clock.forward(minutes=5)
        world.tick(NAME)
        world.tick(NAME)
        return hook.titles[before:]

    assert told() == []
    world.failed("a", 3, 3)
    assert told() == ["a fails"]
    assert "a (Source A) fails.\nSince: 2024-05-15T12:05:00Z\nReason: no\nWhat to do: " in bodies(hook)
    world.clock.forward(hours=1)
    world.failed("a", 3, 3, run="again")
    assert told() == []
    refused(world, "a", "the last 5 harvests failed. Remove the cause.")
    assert told() == ["a is refused"]
    assert "Reason: the last 5 harvests failed. Remove the cause." in bodies(hook)
    # The probe after the pause is let through, fails, and the next run is refused again.
    refused(world, "a", None)
    world.failed("a", 3, 3, run="probe")
    assert told() == []
    refused(world, "a", "again")
    assert told() == []
    refused(world, "a", None)
    world.clock.forward(minutes=1)
    world.harvested("a", 4, 4)
    assert told() == ["a is incomplete"]
    assert "Complete up to: 2024-05-03\nReason: 1 day is missing: 2024-05-03" in bodies(hook)
    world.harvested("a", 3, 3)
    assert told() == ["a works again"]
    assert "Before: it is incomplete.\nNow: complete up to 2024-05-05" in bodies(hook)
    quarantined(world, "b", 2)
    assert told() == ["b quarantined more records"]
    quarantined(world, "b", 1)
    assert told() == ["b quarantined more records"]
    assert "Invalid records in quarantine: 3, 2 when last reported." in bodies(hook)
    world.sources(*world.catalog.configs, config("late"))
    assert told() == ["late is incomplete"]
    assert "never harvested, and its scheduled harvest is late" in bodies(hook)


def test_fewer_quarantined_records_are_no_news_and_more_of_them_are_again(
    world: World, hook: Webhook
) -> None:
    """If the number did not fall, the next invalid records would stay unnoticed."""
    world.sources(config("a", schedule=None))
    world.harvested("a", 1, 2)
    quarantined(world, "a", 3)
    world.tick(NAME)
    key = world.scope("a").ingest_config_id
    with world.database.begin() as connection:
        quarantine.remove_identifiers(connection, key, [f"a:{n}" for n in range(3)])
    world.tick(NAME)
    quarantined(world, "a", 1)
    world.tick(NAME)
    assert [text.count("Invalid records") for text in bodies(hook).split("What to do")][:-1] == [1, 1]
    assert "Invalid records in quarantine: 1, 0 when last reported." in bodies(hook)


def test_nothing_is_reported_as_missing_while_a_run_harvests_the_source(world: World, hook: Webhook) -> None:
    """A backfill of an older year leaves a gap until its last window. That is no incident."""
    world.sources(config("a", schedule=None))
    world.harvested("a", 1, 1)
    world.harvested("a", 5, 5)
    scope = world.scope("a")
    with world.database.begin() as connection:
        log = transitions.mark_started(
            connection,
            scope,
            queries.find_last_finished(connection, scope, 1)[0].window,
            run_id="r",
            now=world.clock(),
        )
    world.tick(NAME)
    assert hook.titles == []
    with world.database.begin() as connection:
        transitions.mark_succeeded(connection, log.id, now=world.clock(), completeness="complete")
    world.tick(NAME)
    assert hook.titles == ["a is incomplete"]


@ON_SQLITE
def test_fifty_sources_of_a_host_that_is_down_make_one_message(
    world: World, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty mails hide the one that matters."""
    monkeypatch.setenv("HARVEST_UI_URL", "https://operator:s3cr3t@dagster.example.org/")
    kwargs = {"base_url": "https://down.example.org/oai"}
    labels = [f"s{number:02}" for number in range(50)]
    # Each of them names the same address once more.
    world.sources(
        *(config(label, schedule=None, harvester_kwargs=kwargs, notify=[hook.url()]) for label in labels),
        config("other", schedule=None),
    )
    world.catalog = translate_catalog(world.catalog, Translation(key_prefix=["library"])).catalog
    for label in labels:
        world.failed(label, 3, 3)
    with world.database.begin() as connection:
        connection.execute(update(harvest_log_run).values(host_unreachable=True))
    world.failed("other", 3, 3)
    world.tick(NAME)
    assert hook.titles == ["51 sources: 51 fail"]
    assert "50 sources of the host down.example.org fail: it cannot be reached." in bodies(hook)
    assert all(label in bodies(hook) for label in labels)
    assert "See: https://dagster.example.org/assets/library/raw/other" in bodies(hook)
    assert "s3cr3t" not in bodies(hook)
    for label in (*labels, "other"):
        world.harvested(label, 3, 3)
    world.tick(NAME)
    assert hook.titles[1:] == ["51 sources: 51 work again"]
    assert "31 more sources: " in bodies(hook)


@ON_SQLITE
def test_a_message_that_is_not_sent_is_sent_later_to_that_place_only(
    world: World, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message must not be lost because a chat is down, and the others must not get it twice."""
    world.sources(config("a", schedule=None))
    world.failed("a", 3, 3)
    with webhook() as second:
        second.status = 500
        monkeypatch.setenv("HARVEST_NOTIFY", f"{second.url('t0k3n')}\n  {hook.url()} nonsense://x")
        result = world.tick(NAME)
        assert "a message to HARVEST_NOTIFY 1 was not sent; the next tick tries again" in result.skip_message
        assert "HARVEST_NOTIFY 3 was not sent" in result.skip_message
        assert not any(word in result.skip_message for word in ("t0k3n", "127.0.0.1", "nonsense"))
        assert (hook.titles, second.titles, second.requests) == (["a fails"], [], 1)
        second.status = 200
        world.tick(NAME)
        assert (hook.titles, second.titles, second.requests) == (["a fails"], ["a fails"], 2)
        assert "nonsense" not in str(world.cursors[NAME])


@ON_SQLITE
def test_a_crash_after_a_message_repeats_at_most_this_message(
    world: World, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost message would hide a failure. One that comes twice does no harm."""
    world.sources(config("a", schedule=None))
    world.failed("a", 3, 3)
    save, calls = notify.save_reported_states, list[int]()

    def crash_at_the_second_message(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        save(*arguments)

    with webhook() as second:
        monkeypatch.setenv("HARVEST_NOTIFY", f"{hook.url()} {second.url()}")
        monkeypatch.setattr(notify, "save_reported_states", crash_at_the_second_message)
        with pytest.raises(KeyboardInterrupt):
            world.tick(NAME)
        assert (hook.titles, second.titles) == (["a fails"], ["a fails"])
        world.tick(NAME)
        world.tick(NAME)
        assert (hook.titles, second.titles) == (["a fails"], ["a fails"] * 2)


def test_no_secret_of_an_address_is_shown_or_stored(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The address of a mail account contains its password. Apprise and urllib3 log addresses."""
    caplog.set_level(logging.DEBUG)
    password = "pa55w0rd-of-the-team"
    monkeypatch.setenv("MAIL_PASSWORD", password)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("HARVEST_NOTIFY", raising=False)
    with mail_server("harvest", password) as mail, webhook() as down:
        down.status = 403
        address = f"127.0.0.1:{mail.port}?from=harvest@example.org&to=team@example.org&mode=insecure"
        own = [f"mailto://harvest:${{MAIL_PASSWORD}}@{address}", down.url("plain-t0ken"), "${NOT_SET}"]
        world.sources(config("a", schedule=None, notify=own[:2]), config("b", schedule=None, notify=own[2:]))
        world.failed("a", 3, 3)
        world.failed("b", 3, 3)
        result = world.tick(NAME)
    ((subject, recipients, text),) = mail.mails
    assert (subject, recipients) == ("a fails", ["team@example.org"])
    assert "Reason: no" in text
    assert "b " not in text
    assert "notify 2 of a was not sent" in result.skip_message
    assert "b needs environment variables that are missing or empty: NOT_SET" in result.skip_message
    assert down.requests == 1
    with world.database.read() as connection:
        rows = [str(connection.execute(select(table)).all()) for table in tables.metadata.sorted_tables]
    shown = "\n".join(
        [result.skip_message, str(world.cursors[NAME]), caplog.text, *capfd.readouterr(), *rows, text]
    )
    assert "notify 1" in shown  # the rows are among what is searched
    assert [secret for secret in (password, "plain-t0ken") if secret in shown] == []


def test_the_sensor_does_nothing_unless_somebody_is_to_be_notified(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on by default, because the definitions must not depend on the environment."""
    monkeypatch.setenv("HARVEST_NOTIFY", "  ")
    stores = Stores(database_url=f"sqlite:///{tmp_path / 'harvest.db'}")
    catalog = Catalog((config("a"), config("b", disabled=True, notify=["json://127.0.0.1"])))
    repository = build_defs(catalog, resources={"harvest_stores": stores}).get_repository_def()
    with dg.build_sensor_context(
        instance=instance,
        repository_def=repository,
        resources={"harvest_stores": stores, "harvest_catalog": catalog},
    ) as context:
        result = repository.get_sensor_def(NAME).evaluate_tick(context)
    assert "nobody is to be notified: set HARVEST_NOTIFY" in result.skip_message
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_preflight_refuses_is_recorded_until_one_passes(
    source: Server, deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused run writes no harvest log, so a source without its key would be refused every day, unnoticed."""
    monkeypatch.delenv("THE_KEY", raising=False)
    one = deploy(source.url, harvester_kwargs={"base_url": source.url, "set": "${THE_KEY}"})
    for _ in range(2):
        assert not one.materialize(DAYS[0]).success
    (row,) = one.rows(tables.ingest_config)
    assert "demo needs environment variables that are missing or empty: THE_KEY" in row.refusal
    assert row.date_modified <= row.refused_since < row.date_modified + timedelta(days=1)
    one = deploy(source.url)
    assert one.materialize(DAYS[0]).success
    (row,) = one.rows(tables.ingest_config)
    assert (row.refusal, row.refused_since) == (None, None)
    disabled = deploy(source.url, disabled=True)
    assert not disabled.materialize(DAYS[0]).success
    assert disabled.rows(tables.ingest_config)[0].refusal is None


@ON_SQLITE
def test_many_recipients_do_not_exceed_the_time_of_a_tick(
    world: World, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster ends a tick after a minute. The next one begins with the places that were not tried."""
    world.sources(config("a", schedule=None))
    world.failed("a", 3, 3)
    monkeypatch.setenv("HARVEST_NOTIFY", " ".join(hook.url(f"token{number}") for number in range(4)))
    seconds = iter(range(0, 1000, 15))
    monkeypatch.setattr(notify, "monotonic", lambda: next(seconds))
    result = world.tick(NAME)
    assert len(hook.titles) == 2
    assert "HARVEST_NOTIFY 3 was not sent" in result.skip_message
    world.tick(NAME)
    assert len(hook.titles) == 4


def test_held_deletions_and_missing_records_are_reported_once(world: World, hook: Webhook) -> None:
    """Nobody approves what nobody knows of, and each scheduled harvest would look like a recovery."""
    world.sources(config("a", schedule=None), config("b", schedule=None))
    for label in "ab":
        world.harvested(label, 1, 2)
    keys = {label: world.scope(label).ingest_config_id for label in "ab"}
    with world.database.begin() as connection:
        add_sweep(connection, keys["a"], world.clock(), gone=2, held=2)
        hold_deletions(connection, keys["a"], 2, world.clock())
        add_sweep(connection, keys["b"], world.clock(), missing=3, repaired=1)
    world.tick(NAME)
    assert hook.titles == ["2 sources: 2 differ from their source"]
    assert "run `harvest deletions approve a`." in bodies(hook)
    assert "Reason: 2 records are still missing or outdated after the last sweep." in bodies(hook)
    world.harvested("a", 4, 4)  # and 3 May is missing
    world.tick(NAME)
    assert len(hook.titles) == 1
    world.harvested("a", 3, 3)
    with world.database.begin() as connection:
        connection.execute(delete(tables.absent_record))
    world.tick(NAME)
    assert hook.titles[1:] == ["a works again"]

"""The sensor `notify`: report each change of a source's state once, by mail, chat or webhook."""

import json
import os
from collections.abc import Mapping, Sequence
from time import monotonic

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.orchestration.asset_keys import AssetKeys, keys_of
from harvest_dagster.orchestration.notifications.conditions import ConditionReader, SourceCondition, is_news
from harvest_dagster.orchestration.notifications.delivery import send
from harvest_dagster.orchestration.notifications.message import Change, compose, ui_url
from harvest_dagster.orchestration.notifications.targets import (
    NOTIFY_VARIABLE,
    Recipient,
    find_recipients,
    has_recipients,
)
from harvest_dagster.orchestration.renamed_sources import rename_sources
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.sensors.per_source import evaluate_each
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.reported_states import (
    ReportedState,
    ReportKey,
    find_reported_states,
    save_reported_states,
)
from harvest_dagster.windows import utc_now

# Dagster ends a tick after 60 s. One service that does not respond takes 8 s.
_SECONDS_PER_TICK = 40.0
# Changes within this time share a message: the sources of a host that is down fail one after the other.
_SECONDS_BETWEEN_TICKS = 300


@dg.sensor(
    name="notify",
    description=f"Reports by mail, chat or webhook when a source fails, is refused, is incomplete, differs from its "
    f"stored records, quarantines more records, or works again. Does nothing unless {NOTIFY_VARIABLE} or `notify` "
    "of a source is set.",
    minimum_interval_seconds=_SECONDS_BETWEEN_TICKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def notify(
    context: dg.SensorEvaluationContext, harvest_stores: Stores, harvest_catalog: dg.ResourceParam[Catalog]
) -> dg.SensorResult:
    """Send one message to each recipient about all sources that have changed since the last one."""
    enabled = [config for config in harvest_catalog.configs if not config.disabled]
    if not has_recipients(enabled, os.environ):
        return dg.SensorResult(
            skip_reason=f"nobody is to be notified: set {NOTIFY_VARIABLE}, or `notify` of a source"
        )
    recipients, warnings = find_recipients(enabled, os.environ)
    database = harvest_stores.database()
    rename_sources(database, harvest_catalog.configs, context.log)
    with database.read() as connection:
        reader = ConditionReader.read(connection, utc_now(), enabled)
        reported = find_reported_states(connection)
    conditions = {
        config.label: condition
        for config, condition in evaluate_each(context.log, enabled, reader.condition_of)
    }
    sent, failed = _notify_all(
        _failed_last(recipients, context.cursor), conditions, reported, database, keys_of(harvest_catalog)
    )
    warnings += [_failure_text(recipient) for recipient in failed]
    for warning in warnings:
        context.log.warning(warning)
    summary = "nothing has changed" if not sent and not failed else _count(sent)
    return dg.SensorResult(
        skip_reason=". ".join([summary, *warnings]),
        cursor=json.dumps([recipient.name for recipient in failed]) if failed else "",
    )


def _notify_all(
    recipients: Sequence[Recipient],
    conditions: Mapping[str, SourceCondition],
    reported: Mapping[ReportKey, ReportedState],
    database: Database,
    keys: AssetKeys,
) -> tuple[int, list[Recipient]]:
    """Send the messages. Return the number of messages that were sent, and the recipients that got none.

    What a message reports is recorded before the next message is sent. After a crash in between, the next tick repeats
    this one message. A message that was not sent is not recorded, so the next tick sends it.
    """
    end, sent, failed = monotonic() + _SECONDS_PER_TICK, 0, list[Recipient]()
    for recipient in recipients:
        states = {
            key: (reported.get(key, ReportedState()), conditions[key.label])
            for key in recipient.keys
            if key.label in conditions
        }
        after = {key: condition.state_after(before) for key, (before, condition) in states.items()}
        changed = {key: state for key, state in after.items() if state != states[key][0]}
        # A source may name the same address twice. By label, so that the message has it once.
        news = {
            key.label: Change(states[key][1], states[key][0], state)
            for key, state in changed.items()
            if is_news(states[key][0], state)
        }
        if news:
            message = compose([*news.values()], ui_url(os.environ), keys)
            if monotonic() > end or not send(recipient.url, message):
                failed.append(recipient)
                continue
            sent += 1
        if changed:
            with database.begin() as connection:
                save_reported_states(connection, changed, utc_now())
    return sent, failed


def _failed_last(recipients: Sequence[Recipient], cursor: str | None) -> list[Recipient]:
    """Return the recipients in order, with those last that got no message in the last tick: each may take 8 s."""
    try:
        failed = set(json.loads(cursor or "[]"))
    except (ValueError, TypeError):
        failed = set()
    return sorted(recipients, key=lambda recipient: recipient.name in failed)


def _count(sent: int) -> str:
    return {0: "no message was sent", 1: "1 message was sent"}.get(sent, f"{sent} messages were sent")


def _failure_text(recipient: Recipient) -> str:
    return (
        f"a message to {recipient.name} was not sent; the next tick tries again. "
        f"Test its address with the command `apprise -v -b test ADDRESS`, which Apprise installs"
    )

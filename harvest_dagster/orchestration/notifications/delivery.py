"""Send a message with Apprise, which supports mail, chats, webhooks and a hundred other services.

Apprise, its transport and the exceptions of both may show the address of a message, and the address contains secrets.
So this module drops their log lines and exceptions. The caller only gets whether the message was accepted.
"""

import importlib
import logging
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from harvest_dagster.orchestration.notifications.message import Message

# urllib3 logs the paths of requests at DEBUG, where many services have a token.
_LOGGERS = (
    "apprise",
    "urllib3.connectionpool",
    "requests_oauthlib.oauth1_auth",
    "requests_oauthlib.oauth2_session",
)


def send(url: str, message: Message) -> bool:
    """Send a message and return whether the service accepted it. No exception leaves this function.

    Apprise waits at most 4 s for a connection and 4 s for a response.
    """
    with _silenced():
        try:
            # Imported here: the import takes 0.3 s, and each process of a run loads the sensors.
            apprise = importlib.import_module("apprise")
            service = apprise.Apprise(asset=apprise.AppriseAsset(app_id="harvest_dagster", async_mode=False))
            return bool(
                service.add(url)
                and service.notify(
                    title=message.title, body=message.body, body_format=apprise.NotifyFormat.TEXT
                )
            )
        except Exception:
            return False


@contextmanager
def _silenced() -> Generator[None, None, None]:
    """Drop the log lines of Apprise and of its transport. Apprise sends in threads of its own."""

    def drop(_: logging.LogRecord) -> bool:
        return False

    with ExitStack() as stack:
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            logger.addFilter(drop)
            stack.callback(logger.removeFilter, drop)
        yield

"""The arguments of a feed: `harvester_kwargs` of the harvester `feed`, explained in docs/feed.md."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from harvest_dagster.harvesters.interface import Arguments, NotDeciding
from harvest_dagster.harvesters.request_headers import validate_headers


class FeedArguments(Arguments):
    """`harvester_kwargs` of a feed.

    Attributes:
        base_url: http or https URL of the feed document that has the newest entries.
        headers: HTTP headers of every request.
        newest_first: whether the pages of the feed follow each other from the newest entry to the oldest. The harvest
            then stops at the first page that has only entries from before the window.
        trust_total: False if the feed's own number of entries (OpenSearch) is known to be wrong. It is then ignored.
    """

    base_url: str
    headers: Annotated[dict[str, str], AfterValidator(validate_headers), NotDeciding()] = Field(
        default_factory=dict
    )
    newest_first: bool = False
    trust_total: Annotated[bool, NotDeciding()] = True

    @field_validator("base_url")
    @classmethod
    def _validate_base_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
            raise ValueError(
                "base_url must be the http or https URL of a feed, without a fragment. To read a feed from a file, use "
                "the harvester `files` with format: xml"
            )
        return url

"""The interface of a harvester: what it rejects, and what a parser does without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.harvesters.interface import Harvester
from harvest_dagster.pipeline.source_access import SourceAccess
from harvest_dagster.records import Page
from harvest_dagster.windows import Window


def test_a_harvester_of_the_former_interface_is_rejected_with_the_change_to_make() -> None:
    """Without this, a plug-in of the former interface would fail with an error about abstract methods."""
    with pytest.raises(TypeError, match=r"defines pages and records.*Move `pages` to a subclass of Client"):

        class Museum(Harvester):
            def pages(self, window: Window) -> Iterator[Page]:  # noqa: ARG002
                return iter(())

            def records(self, page: Page, window: Window) -> Iterator[object]:  # noqa: ARG002
                return iter(())


def test_a_parser_needs_no_secret() -> None:
    """Without this, parsing pages again on another machine would need the API key of the source."""
    config = IngestConfig.model_validate(
        {
            "label": "secret",
            "harvester": "oai",
            "harvester_kwargs": {"base_url": "https://example.org/oai?key=${KEY}"},
        }
    )
    parser = SourceAccess(config, environ={}).parser
    assert parser.arguments.base_url == "https://example.org/oai?key=${KEY}"


def test_a_parser_reads_a_secret_only_if_its_arguments_reject_the_placeholder() -> None:
    """Without this, `${NAME}` in place of a fixed word would be an error although the environment has the word."""
    kwargs = {
        "base_url": "https://example.org/",
        "params": {"from": "{from}", "until": "{until}"},
        "records": "items",
        "identifier": "id",
        "granularity": "${UNIT}",
        "until": "inclusive",
        "next": {"by": "page", "param": "page"},
    }
    config = IngestConfig.model_validate({"label": "unit", "harvester": "json", "harvester_kwargs": kwargs})
    parser = SourceAccess(config, environ={"UNIT": "day"}).parser
    assert parser.arguments.granularity == "day"

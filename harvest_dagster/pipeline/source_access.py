"""Access to one source: its harvester, its secrets, its limits, and the HTTP session for its requests.

A harvest has it in its context. Commands that only ask a source need nothing else: no database, no spool, no lease.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from ipaddress import ip_network
from typing import Any, cast

from harvest_dagster import plugins
from harvest_dagster.catalog import secrets
from harvest_dagster.catalog.arguments import (
    arguments_without_secrets,
    deciding_arguments,
    deciding_values,
    has_open_end,
    resolve_arguments,
)
from harvest_dagster.catalog.contacts import contact_from_environment
from harvest_dagster.catalog.hosts import named_hosts, rate_limit_of
from harvest_dagster.catalog.plaintext_secrets import auth_values
from harvest_dagster.catalog.schema import IngestConfig, Timeout
from harvest_dagster.harvesters.interface import Harvester, Parser
from harvest_dagster.http.rate_limit.budget import Budget
from harvest_dagster.http.rate_limit.deadline import Deadline
from harvest_dagster.http.session import HttpSession, Timeouts
from harvest_dagster.masking import build_masker
from harvest_dagster.pipeline.source_auth import auth_of
from harvest_dagster.response_limits import ResponseLimits


@dataclass(frozen=True)
class WaitLimits:
    """How long a harvest waits for a source.

    Attributes:
        longest_wait: seconds that an op sleeps. If a wait is longer, the op ends and is retried when the wait is over.
        before_second_list: seconds before a source is asked again because its empty answer is doubtful.
        longest_silence: a window fails after this time without a page, even if the source asks us to wait. Only the
            time within the `hours` of the source counts.
        longest_closed: seconds that an op sleeps until the `hours` of the source begin. If they begin later, the op
            ends and is retried then.
    """

    longest_wait: float = 60.0
    longest_silence: timedelta = timedelta(days=1)
    before_second_list: float = 5.0
    longest_closed: float = 60.0


@dataclass(frozen=True)
class SourceAccess:
    """All that is needed to send requests to one source: its harvester, its secrets and its limits.

    Attributes:
        config: the IngestConfig of the source.
        environ: the environment variables, which have the values of `${NAME}`.
        catalog: all IngestConfigs. Those with the same host share its request budget.
        wait_limits: how long a harvest waits for the source.
    """

    config: IngestConfig
    environ: Mapping[str, str]
    catalog: tuple[IngestConfig, ...] = ()
    wait_limits: WaitLimits = WaitLimits()

    @cached_property
    def harvester_class(self) -> type[Harvester]:
        """The class that the config's harvester key names.

        Raises:
            UnknownPlugin: the harvester cannot be loaded.
        """
        return cast("type[Harvester]", plugins.load(plugins.HARVESTERS, self.config.harvester))

    @cached_property
    def harvester(self) -> Harvester:
        """The harvester with its secrets. Only its client needs them.

        Raises:
            MissingSecret: the environment lacks a `${NAME}`.
            UnknownPlugin: the harvester cannot be loaded.
            CatalogError: the harvester rejects its arguments. The message contains no value.
        """
        arguments = resolve_arguments(self.config, plugins.HARVESTERS, self.environ)
        return self.harvester_class(arguments).with_limits(self.response_limits)

    @cached_property
    def parser(self) -> Parser:
        """The parser of the source's pages. It needs no secret.

        Raises:
            UnknownPlugin: the harvester cannot be loaded.
            CatalogError: the harvester rejects its arguments. The message contains no value.
        """
        arguments = arguments_without_secrets(self.config, self.environ)
        parser = self.harvester_class(arguments).with_limits(self.response_limits).parser()
        parser.keep_original = self.config.keep_original
        return parser

    @cached_property
    def header_parser(self) -> Parser:
        """The parser of the pages that the harvester's header client requests. It needs no secret.

        Raises: see `parser`.
        """
        arguments = arguments_without_secrets(self.config, self.environ)
        return self.harvester_class(arguments).with_limits(self.response_limits).header_parser()

    @cached_property
    def response_limits(self) -> ResponseLimits:
        """What a response of the source may cost."""
        return ResponseLimits(**dict(self.config.limits))

    @cached_property
    def has_open_end(self) -> bool:
        """Whether the source can only be asked from an instant on."""
        return has_open_end(self.config, self.environ)

    @property
    def contact(self) -> str:
        """The address for the operators of the source; empty if neither the config nor the environment has one.

        Raises:
            BadInput: HARVEST_CONTACT is not an address.
        """
        return self.config.contact or contact_from_environment(self.environ)

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """The values of the config's secrets."""
        return (
            *secrets.secret_values(self.config.harvester_kwargs, self.environ),
            *secrets.credential_values(self.config, self.environ),
        )

    @cached_property
    def redact(self) -> Callable[[str], str]:
        """A function that masks the config's secrets in a text."""
        return build_masker(self.secrets)

    @cached_property
    def deciding_arguments(self) -> dict[str, Any]:
        """The arguments that decide what the source is asked. Coverage holds only for them."""
        return deciding_arguments(self.config)

    @cached_property
    def deciding_values(self) -> dict[str, str]:
        """The values behind the `${NAME}` of these arguments. Coverage holds only for them."""
        return deciding_values(self.config, self.environ)

    @cached_property
    def request_digest(self) -> str:
        """A digest of all that determines the requests: the harvester, its version, its arguments, `auth`, `selective`.

        `auth` counts because marks in the spool number the secrets of the config (`http.transport.secret_echoes`).
        """
        kwargs = json.dumps(self.config.harvester_kwargs, sort_keys=True, default=str)
        text = f"{self.config.harvester} {self.harvester_class.VERSION} {kwargs}"
        if not self.config.selective:
            text = f"{text} without dates"
        if self.config.auth is not None:
            text = f"{text} {json.dumps(auth_values(self.config), sort_keys=True)}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def build_session(source: SourceAccess, budget: Budget, deadline: Deadline, **options: Any) -> HttpSession:
    """Return a session for the requests to a source, with the limits, timeouts and secrets of its config.

    Args:
        source: the source.
        budget: the request budget of its host.
        deadline: the end of the harvest, and the callbacks of waits.
        options: further arguments of HttpSession.

    Raises:
        MissingSecret: the environment lacks a `${NAME}`.
    """
    config = source.config
    return HttpSession(
        rate_limit_of(config),
        timeouts=_timeouts(config.timeout),
        response_limits=source.response_limits,
        budget=budget,
        redact=source.redact,
        secrets=source.secrets,
        contact=source.contact,
        auth=auth_of(config, source.environ),
        auth_hosts=named_hosts(config, source.environ) if config.auth else frozenset(),
        redirect_networks=[ip_network(network) for network in config.redirect_networks],
        deadline=deadline,
        max_retry_after=source.wait_limits.longest_wait,
        hours=config.hours,
        max_closed_wait=source.wait_limits.longest_closed,
        **options,
    )


def _timeouts(timeout: Timeout) -> Timeouts:
    response = timeout.response.total_seconds() if timeout.response else 0.0
    return Timeouts(timeout.connect.total_seconds(), timeout.read.total_seconds(), response)

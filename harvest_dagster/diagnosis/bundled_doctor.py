"""Compare the facts of the bundled sources with what the sources say, several hosts at a time.

An OAI-PMH repository gets two requests, Identify and ListMetadataFormats. Any other source gets about three. The
sources of a host are asked one after the other, within the request budget of the host. A source that does not answer
costs a bounded time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from harvest_dagster.catalog.bundled import FACTS, BundledCatalog
from harvest_dagster.catalog.hosts import main_host
from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.catalog.yaml_documents import YamlDocument
from harvest_dagster.diagnosis.connection import connect
from harvest_dagster.diagnosis.doctor import examine
from harvest_dagster.diagnosis.findings import Finding, Place, in_order
from harvest_dagster.diagnosis.oai_doctor import OaiDoctor
from harvest_dagster.errors import CatalogError, HarvestError
from harvest_dagster.harvesters.oai.client import OaiClient
from harvest_dagster.http.rate_limit.budget import Budget
from harvest_dagster.http.rate_limit.retry import RetryPolicy
from harvest_dagster.pipeline.source_access import SourceAccess, WaitLimits
from harvest_dagster.texts import one_line, shorten

Result = Literal["agrees", "differs", "unreachable", "unknown"]
OnResult = Callable[["BundledDiagnosis", int, int], None]

MOST_HOSTS = 16  # at a time
_CONNECT = timedelta(seconds=5)
_READ = timedelta(seconds=20)
_LONGEST = (
    90.0  # seconds after which no request of a source begins; rate limits of bundled sources are some seconds
)
_RETRY = RetryPolicy(attempts=1)
_ACCESS = frozenset({"access", "bot protection"})
_TOPIC = "facts"
# Advice on these topics means that a line of the file is wrong. Other advice is for the users of a source.
_FACT_TOPICS = frozenset({"base URL", "redirects", "metadata prefix", "earliest date"})
# If so many sources gave no response at all, and none gave one, there is no network: the others are not asked.
_ENOUGH_FAILURES = 20
# A file may have any size, and it shows no statement of an operator.
_NOT_ASKED = frozenset({"files"})


@dataclass(frozen=True)
class BundledDiagnosis:
    """What was found out about one bundled source.

    Attributes:
        label: its label.
        host: the host that was asked.
        findings: the problems first. Those with a `change` propose a line of the file.
        requests: the number of requests.
        document: its document, which knows the lines.
    """

    label: str
    host: str | None
    findings: tuple[Finding, ...]
    requests: int
    document: YamlDocument

    @property
    def result(self) -> Result:
        """Whether the facts agree with what the source says."""
        if any(finding.topic in _ACCESS for finding in self.differences):
            return "unreachable"
        if any(finding.topic == _TOPIC and finding.status == "unknown" for finding in self.findings):
            return "unknown"
        return "differs" if self.differences else "agrees"

    @property
    def differences(self) -> tuple[Finding, ...]:
        """The findings that say that a line of the file is wrong."""
        return tuple(finding for finding in self.findings if _is_difference(finding))

    def place(self, finding: Finding) -> Place:
        """Return the line that a finding proposes to change."""
        return Place(self.document.file, self.document.line(finding.key))


def examine_bundled(
    bundled: BundledCatalog,
    environ: Mapping[str, str],
    budget: Callable[[], Budget],
    now: datetime,
    *,
    text: str = "",
    on_result: OnResult | None = None,
) -> list[BundledDiagnosis]:
    """Examine the bundled sources whose label or host contains a text, and return what was found, by label.

    Args:
        bundled: the sources.
        environ: the environment variables, for the contact address.
        budget: returns the request budget of the hosts for one thread.
        now: the time, aware, in UTC.
        text: which sources to examine; empty for all.
        on_result: called with each result, the number of results so far, and the number of sources.

    Raises:
        CatalogError: a bundled file does not load.
    """
    bundled = BundledCatalog(bundled.directory)  # it has read no file yet
    catalog = load_catalog("bundled", environ, bundled)
    catalog.raise_if_invalid()
    chosen = [one for one in catalog.configs if text in one.label or text in (main_host(one) or "")]
    if not chosen:
        message = f"no bundled source has {text!r} in its label or host. `harvest list --bundled` lists them."
        raise CatalogError(message)
    documents = {label: bundled.find(label) for label in (config.label for config in chosen)}
    examination = _Examination(catalog.configs, environ, budget, now)
    done: list[BundledDiagnosis] = []
    for config, (findings, requests) in examination.of(chosen):
        document = documents[config.label]
        assert isinstance(document, YamlDocument)  # noqa: S101 - the catalog has no problem
        done.append(BundledDiagnosis(config.label, main_host(config), tuple(findings), requests, document))
        if on_result is not None:
            on_result(done[-1], len(done), len(chosen))
    return sorted(done, key=lambda one: one.label)


@dataclass(frozen=True)
class _Examination:
    """Asks sources; each thread asks those of one host.

    Attributes:
        catalog: all bundled sources.
        environ: the environment variables.
        budget: returns a request budget for one thread.
        now: the time.
        responses: for each source that was asked, whether it gave any response.
    """

    catalog: tuple[IngestConfig, ...]
    environ: Mapping[str, str]
    budget: Callable[[], Budget]
    now: datetime
    responses: list[bool] = field(default_factory=list)

    def of(self, configs: Sequence[IngestConfig]) -> Iterator[tuple[IngestConfig, tuple[list[Finding], int]]]:
        """Yield each config with its findings and the number of requests, the fastest hosts first."""
        hosts: dict[str | None, list[IngestConfig]] = {}
        for config in configs:
            hosts.setdefault(main_host(config), []).append(config)
        executor = ThreadPoolExecutor(MOST_HOSTS)
        try:
            pending = [executor.submit(self._ask_host, listed) for listed in hosts.values()]
            for future in as_completed(pending):
                yield from future.result()
        finally:
            executor.shutdown(cancel_futures=True)

    def _ask_host(
        self, configs: Iterable[IngestConfig]
    ) -> list[tuple[IngestConfig, tuple[list[Finding], int]]]:
        budget = self.budget()
        return [(config, self._ask(config, budget)) for config in configs]

    def _ask(self, config: IngestConfig, budget: Budget) -> tuple[list[Finding], int]:
        if config.harvester in _NOT_ASKED:
            text = f"a source of the harvester {config.harvester} is not examined: a file may have any size"
            return [Finding(_TOPIC, "unknown", text)], 0
        if len(self.responses) >= _ENOUGH_FAILURES and not any(self.responses):
            text = (
                f"not asked: none of the first {_ENOUGH_FAILURES} sources could be reached; check the network"
            )
            return [Finding(_TOPIC, "unknown", text)], 0
        source = SourceAccess(
            _impatient(config), self.environ, self.catalog, WaitLimits(longest_wait=_LONGEST)
        )
        try:
            with connect(source, budget, longest=_LONGEST, retry=_RETRY) as connection:
                if isinstance(connection.client, OaiClient):
                    findings = list(in_order(OaiDoctor(connection, self.now).statements()))
                else:
                    findings = examine(connection, self.now)
                requests = connection.session.statistics.requests
                self.responses.append(bool(connection.responses))
        except HarvestError as error:  # a wait that is too long, for example
            reason = shorten(one_line(str(error)), 300)
            return [Finding(_TOPIC, "unknown", "the source could not be examined", reason)], 0
        return [*findings, *self._verified(findings)], requests

    def _verified(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Yield the new day of the comparison if nothing differs."""
        if not any(_is_difference(finding) for finding in findings):
            text, change = "nothing differs", f"unverified_since: {self.now.date()}"
            yield Finding(_TOPIC, "ok", text, change=change, key=(FACTS, "unverified_since"))


def _is_difference(finding: Finding) -> bool:
    is_advice = finding.status == "advice" and bool(finding.change) and finding.topic in _FACT_TOPICS
    return finding.status == "problem" or is_advice


def _impatient(config: IngestConfig) -> IngestConfig:
    """Return a config with short time limits: a person waits for hundreds of sources."""
    limits = {"connect": min(config.timeout.connect, _CONNECT), "read": min(config.timeout.read, _READ)}
    return config.model_copy(update={"timeout": config.timeout.model_copy(update=limits)})

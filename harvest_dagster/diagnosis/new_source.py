"""Write the config of a source from what an OAI-PMH repository reports about itself."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from harvest_dagster import plugins
from harvest_dagster.catalog.bundled import BUNDLED_DIRECTORY, BundledCatalog
from harvest_dagster.catalog.bundled_list import list_bundled
from harvest_dagster.catalog.loader import Catalog, load_catalog, source_entries
from harvest_dagster.catalog.problems import did_you_mean
from harvest_dagster.catalog.source_files import is_of_components
from harvest_dagster.diagnosis.connection import Connection, ObservedResponse
from harvest_dagster.diagnosis.http_checks import PERMANENT_REDIRECTS
from harvest_dagster.diagnosis.repository import identify, ignores_dates, list_formats
from harvest_dagster.errors import BadInput, SourceError
from harvest_dagster.harvesters.oai.identify import Identity
from harvest_dagster.http.rate_limit.response_headers import parse_rate_limit_headers
from harvest_dagster.masking import is_secret_name
from harvest_dagster.rate_limits import Limit
from harvest_dagster.texts import one_line

_PREFERRED = "oai_dc"
_DEFAULT_LIMIT = Limit(1, 1.0)
_DEFAULT_DIRECTORY = "sources"
_LONGEST_LABEL = 40
_FIRST_YEAR = (
    1990  # an earlier earliestDatestamp is probably the default of some software, such as 1970-01-01
)
_SNAPSHOTS = (
    "selective: false  # the repository ignores `from`, so each harvest is one list of all its records"
)
_LABEL = r"[a-z][a-z0-9_]*"
_DELETIONS = {
    "no": " Removed records are not reported, so they stay in the database.",
    "transient": " Removed records are reported for some time only, so set a schedule.",
    "persistent": " Removed records stay in the lists as deleted.",
}


@dataclass(frozen=True)
class NewSource:
    """The config of a new source.

    Attributes:
        label: its label.
        text: the YAML, with comments that say where each value comes from.
        unknown: one sentence for each thing that the repository does not say.
    """

    label: str
    text: str
    unknown: tuple[str, ...]


def describe_source(connection: Connection, label: str | None, now: datetime) -> NewSource:
    """Ask a repository for Identify and its formats, and return the config of a source.

    Raises:
        SourceError: the repository does not answer Identify.
        BadInput: the URL contains a secret, or the label is invalid.
    """
    report = identify(connection)
    unknown = list(report.unknown)
    try:
        prefixes = [one.prefix for one in list_formats(connection)]
    except SourceError as error:
        prefixes = []
        unknown.append(f"the formats are not known, so {_PREFERRED} is assumed: {one_line(str(error))}")
    url = _final_url(connection)
    chosen = label or label_of(url)
    if not re.fullmatch(_LABEL, chosen):
        message = f"{chosen!r} is not a label. Use lower-case letters, digits and _, beginning with a letter: --label."
        raise BadInput(message)
    prefix = _PREFERRED if _PREFERRED in prefixes or not prefixes else prefixes[0]
    is_undated = ignores_dates(connection, report.identity.granularity, prefix, now)
    lines = _lines(
        chosen, url, report.identity, prefixes, limit=_announced_limit(connection.responses, now), now=now
    )
    if is_undated:
        lines = chain(lines, [_SNAPSHOTS])
    return NewSource(chosen, "\n".join(lines) + "\n", tuple(unknown))


def extend_bundled(bundled: BundledCatalog, name: str, label: str | None) -> NewSource:
    """Return the config that enables a bundled source.

    Raises:
        BadInput: there is no such bundled source, or the label is invalid.
    """
    line = next((one for one in list_bundled(bundled) if one.label == name), None)
    if line is None:
        hint = did_you_mean(name, bundled.labels) or "."
        message = f"there is no bundled source {name!r}{hint} `harvest list --bundled` lists them."
        raise BadInput(message)
    lines = [
        f"# {one_line(line.name)}. What its operator asks of harvesters: {one_line(line.terms or 'not known')}.",
        f"# Nobody has compared its facts with the source since {line.unverified_since}.",
        f"extends: {name}",
        *((f"label: {label}",) if label else ()),
        "# contact: …  # an address for the operators of the source; HARVEST_CONTACT is the default",
    ]
    return NewSource(label or name, "\n".join(lines) + "\n", ())


def _final_url(connection: Connection) -> str:
    """Return the base URL, or where the repository redirects it permanently.

    Raises:
        BadInput: the URL contains a secret.
    """
    url: str = connection.oai.arguments.base_url
    for response in connection.responses:
        location = response.headers.get("location", "")
        if response.status in PERMANENT_REDIRECTS and location.startswith(("http://", "https://")):
            url = location.partition("?")[0]
    parts = urlsplit(url)
    names = [pair.partition("=")[0] for pair in parts.query.split("&")]
    if parts.password or parts.username or any(is_secret_name(name) for name in names if name):
        message = (
            "the URL contains a secret, which must not be written into a file. Write the file yourself, with ${NAME} "
            "in place of the secret."
        )
        raise BadInput(message)
    return url


def label_of(url: str) -> str:
    """Return a label made of the host: `oaipmh.arxiv.org` gives `arxiv`. An address has no ending to leave out."""
    names = (urlsplit(url).hostname or "").split(".")
    names = names if names[-1].isdigit() else names[:-1]
    parts = [part for part in names if part not in {"www", "oai", "oaipmh", "export", "api"}]
    words = re.sub(r"[^a-z0-9]+", "_", "_".join(parts).lower()).strip("_")[:_LONGEST_LABEL]
    return words if words[:1].isalpha() else f"source_{words}".rstrip("_")


def _announced_limit(responses: Sequence[ObservedResponse], now: datetime) -> Limit | None:
    limits = [
        limit for response in responses for limit in parse_rate_limit_headers(response.headers, now).limits
    ]
    return min(limits, key=lambda limit: limit.rate, default=None)


def _lines(
    label: str, url: str, identity: Identity, prefixes: Sequence[str], *, limit: Limit | None, now: datetime
) -> Iterator[str]:
    prefix = _PREFERRED if _PREFERRED in prefixes or not prefixes else prefixes[0]
    yield f"# Written by `harvest add` on {now.date()}, from the responses of the repository."
    yield f"label: {label}"
    if identity.repository_name:
        yield f"name: {_scalar(identity.repository_name)}  # repositoryName"
    yield "harvester: oai"
    yield "harvester_kwargs:"
    yield f"  base_url: {_scalar(url)}  # as given, or where the repository redirects it permanently"
    offered = (
        f"offered: {one_line(', '.join(prefixes))}" if prefixes else "ListMetadataFormats was not answered"
    )
    yield f"  metadata_prefix: {_scalar(prefix)}  # {offered}"
    yield "  # set: …  # `harvest sets` lists the sets; without a set, everything is harvested"
    if prefix in plugins.BUILT_IN[plugins.TRANSFORMERS]:
        yield f"transformer: {prefix}"
    if limit is None:
        yield f"rate_limit: {_flow(_DEFAULT_LIMIT)}  # the default; the repository announces no limit"
    else:
        yield f"rate_limit: {_flow(limit)}  # the limit that the headers of the repository announce"
    yield first_partition_line(identity, now)
    yield f"# Granularity: {identity.granularity.value}. The harvester reads it from Identify."
    policy = one_line(identity.deleted_record)
    yield f"# Deletion policy: {policy or 'not stated'}.{_DELETIONS.get(policy, '')}"
    yield '# schedule: "0 3 * * *"  # cron, UTC; without it, no sensor harvests new days'
    yield "# contact: …  # an address for the operators of the repository; HARVEST_CONTACT is the default"


def first_partition_line(identity: Identity, now: datetime) -> str:
    """Return the line with `earliest_date`. Some records may really be as old as the repository says."""
    earliest = identity.earliest_datestamp
    if earliest is None:
        return "# earliest_date: …  # the repository gives none; the default is 2000-01-01"
    if earliest > now:
        return f"# earliest_date: …  # earliestDatestamp is {earliest.date()}, in the future; the default is 2000-01-01"
    if earliest.year < _FIRST_YEAR:
        hint = "OAI-PMH began in 2001; set a later day if no record is that old"
        return f"earliest_date: {earliest.date()}  # earliestDatestamp. {hint}"
    return f"earliest_date: {earliest.date()}  # earliestDatestamp"


def _scalar(text: str) -> str:
    """Return a text as a YAML scalar on one line."""
    dumped = yaml.safe_dump(one_line(text), allow_unicode=True, width=100_000)
    return str(dumped).removesuffix("\n").removesuffix("\n...").strip()


def _flow(limit: Limit) -> str:
    return f"{{calls: {limit.calls}, period: {limit.period:g}}}"


def target_directory(
    environ: Mapping[str, str], folder: Path, is_writable: Callable[[Path], bool]
) -> tuple[Path, bool]:
    """Return the directory for a new source, and whether the catalog reads it already.

    It is the first directory of HARVEST_SOURCES that can be written, is not the bundled one and has no Dagster
    components, or else `sources` in `folder`.
    """
    for directory in source_entries(None, environ):
        if directory == BUNDLED_DIRECTORY or not directory.is_dir() or is_of_components(directory):
            continue
        if is_writable(directory):
            return directory, True
    return folder / _DEFAULT_DIRECTORY, False


def write_source(source: NewSource, directory: Path, catalog: Catalog) -> Path:
    """Write a new source into a file of its own, named after its label. Nothing is overwritten.

    Raises:
        BadInput: the label or the file exists, the text is no valid config, or the file cannot be written.
    """
    taken = {config.label for config in catalog.configs} | {problem.label for problem in catalog.problems}
    taken -= catalog.bundled  # a source of the user replaces it
    if source.label in taken:
        message = f"there is a source with the label {source.label} already. Choose another label: --label."
        raise BadInput(message)
    _raise_if_invalid(source)
    path = directory / f"{source.label}.yaml"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(source.text)
    except FileExistsError:
        raise BadInput(f"{path} exists and is not overwritten. Choose another label: --label.") from None
    except OSError as error:
        message = (
            f"{path} cannot be written ({error.strerror}). Put a writable directory into HARVEST_SOURCES."
        )
        raise BadInput(message) from error
    return path


def _raise_if_invalid(source: NewSource) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, f"{source.label}.yaml").write_text(source.text, encoding="utf-8")
        problems = load_catalog(folder).problems
    if problems:
        reasons = "; ".join(f"{problem.key}: {problem.message}" for problem in problems)
        raise BadInput(
            f"the repository's statements give no valid config: {reasons}. Write the file yourself."
        )

"""The list of the environment variables that this package reads, for the documentation.

A test compares it with the code. Not here: their values. Each is read where it is used. Secrets of sources have names
that the YAML chooses (`catalog.secrets`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EnvironmentVariable:
    """An environment variable.

    Attributes:
        names: its name, or names that belong together.
        meaning: what it sets, in Markdown.
        default: what applies if it is not set, in Markdown.
    """

    names: tuple[str, ...]
    meaning: str
    default: str = "none"


OURS = (
    EnvironmentVariable(
        ("HARVEST_DATABASE_URL",),
        "the database with the records: `sqlite:////path/to/file.db` or `postgresql://user:password@host/name`",
        "`harvest.db` in `$DAGSTER_HOME`, or in `.dagster/` if that is not set",
    ),
    EnvironmentVariable(
        ("HARVEST_SOURCES",),
        "directories of YAML files, separated as in `PATH`; `bundled` stands for the [sources of this "
        "package](../bundled-sources.md), which are off until a source extends them. An "
        "entry may also be a file, or the [`defs.yaml`](../embedding.md#harvest-from-the-command-line) of a component",
        "`bundled`",
    ),
    EnvironmentVariable(
        ("HARVEST_SPOOL",),
        "the spool for fetched pages: a directory or an [fsspec](https://filesystem-spec.readthedocs.io) URL. If the "
        "ops of a run are on different machines, all of them must reach it",
        "`spool/` next to `harvest.db`",
    ),
    EnvironmentVariable(
        ("HARVEST_CONTACT",),
        "an e-mail address or a web page for the operators of sources, sent in the User-Agent if a source has no "
        "`contact`",
    ),
    EnvironmentVariable(
        ("HARVEST_NOTIFY",),
        "where to report changes of state: [Apprise](../operating.md#notifications) URLs, separated by white space",
    ),
    EnvironmentVariable(
        ("HARVEST_REPORT",),
        "path of the HTML page about all sources, which the sensor `write_report` keeps up to date",
    ),
    EnvironmentVariable(
        ("HARVEST_COPY_TO",),
        "the target of `harvest db copy`, if its URL has a password that others must not see",
    ),
    EnvironmentVariable(
        ("HARVEST_UI_URL",), "the address of Dagster's webserver, for links in notifications"
    ),
    EnvironmentVariable(
        ("HARVEST_SOURCES_PER_RUN",),
        "how many sources the sensor `harvest_by_schedule` may put into "
        "[one run](../automation.md#several-sources-in-one-run)",
        "1; 10 if 200 or more sources have a schedule",
    ),
    EnvironmentVariable(
        ("HARVEST_LOG_FORMAT",),
        "`json`: the messages of `harvest`, and the log of runs if `dagster.yaml` names our handler, are "
        "[JSON, one object per line](../monitoring.md#logs-in-json)",
        "text for people",
    ),
    EnvironmentVariable(
        ("HARVEST_STRICT",),
        "any value but `0`: loading the code location fails if a source has a problem, and so does `dg check defs`",
        "the other sources load",
    ),
)

OF_OTHERS = (
    EnvironmentVariable(
        ("DAGSTER_HOME",),
        "the directory of Dagster's settings (`dagster.yaml`), runs and logs. The webserver, the daemon and each "
        "command need the same one",
        "a temporary directory, except for the default of the database and the spool: `.dagster/`",
    ),
    EnvironmentVariable(
        ("DAGSTER_POSTGRESQL_URL",),
        "Dagster's own storage, if you use `deploy/postgresql/dagster.yaml`. It may be the server of "
        "`HARVEST_DATABASE_URL`",
    ),
    EnvironmentVariable(
        ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        "proxies, and the hosts that are reached without one; `~/.netrc` is not read",
    ),
    EnvironmentVariable(
        ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        "a file of trusted certificates for requests to sources; the first one counts",
        "those of the package certifi",
    ),
)

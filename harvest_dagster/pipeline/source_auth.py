"""The authentication of a source's session: `auth` of its config, with the values of `${NAME}`."""

from __future__ import annotations

from collections.abc import Mapping

from harvest_dagster.catalog import schema
from harvest_dagster.catalog.plaintext_secrets import auth_values
from harvest_dagster.catalog.secrets import resolve
from harvest_dagster.http.auth import ApiKeyAuth, Auth, BasicAuth, BearerAuth, OAuth2ClientCredentials


def auth_of(config: schema.IngestConfig, environ: Mapping[str, str]) -> Auth | None:
    """Return how requests authenticate at the source; None if they do not.

    Raises:
        MissingSecret: the environment lacks a `${NAME}`.
    """
    values, _ = resolve(auth_values(config), environ, config.label)
    values.pop("kind", None)
    match config.auth:
        case schema.BearerAuth():
            return BearerAuth(**values)
        case schema.BasicAuth():
            return BasicAuth(**values)
        case schema.ApiKeyAuth():
            return ApiKeyAuth(values["name"], values["value"], in_query=values["in"] == "query")
        case schema.OAuth2Auth():
            return OAuth2ClientCredentials(**values)
    return None

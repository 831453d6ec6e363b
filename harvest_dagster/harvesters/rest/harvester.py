"""REST APIs as a harvester: the arguments of the YAML, a client and a parser."""

from __future__ import annotations

from harvest_dagster.harvesters.interface import Harvester, Session
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.client import RestClient
from harvest_dagster.harvesters.rest.parser import RestParser


class RestHarvester(Harvester):
    """Harvest one list of a REST API, as its YAML describes it: Crossref, DataCite, OpenAlex, Zenodo and others."""

    VERSION = 2
    Arguments = RestArguments
    arguments: RestArguments

    def client(self, session: Session) -> RestClient:
        """Return a client of the API."""
        return RestClient(self.arguments, session, self.limits)

    def parser(self) -> RestParser:
        """Return a parser for the pages of the API."""
        return RestParser(self.arguments, self.limits)

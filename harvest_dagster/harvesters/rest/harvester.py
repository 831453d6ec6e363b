"""REST APIs as a harvester: the arguments of the YAML, a client and a parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.harvesters.interface import Harvester, Session
from harvest_dagster.harvesters.rest.arguments import RestArguments

if TYPE_CHECKING:
    from harvest_dagster.harvesters.rest.client import RestClient
    from harvest_dagster.harvesters.rest.header_list import RestHeaderParser
    from harvest_dagster.harvesters.rest.parser import RestParser


class RestHarvester(Harvester):
    """Harvest one list of a REST API, or one for each parent, as its YAML describes it.

    Crossref, DataCite, OpenAlex, Zenodo and others have such APIs.
    """

    VERSION = 2
    Arguments = RestArguments
    arguments: RestArguments

    def client(self, session: Session) -> RestClient:
        """Return a client of the API."""
        return self._client(self.arguments, session)

    def parser(self) -> RestParser:
        """Return a parser for the pages of the API."""
        # Loading the catalog needs only the arguments.
        from harvest_dagster.harvesters.rest.parser import RestParser  # noqa: PLC0415 - takes 0.01 s

        return RestParser(self.arguments, self.limits)

    def header_client(self, session: Session) -> RestClient:
        """Return a client of the list with the few fields that `identifiers` asks for. It requests no details."""
        return self._client(self.arguments.of_identifiers, session)

    def header_parser(self) -> RestHeaderParser:
        """Return a parser for the pages of this list."""
        from harvest_dagster.harvesters.rest.header_list import RestHeaderParser  # noqa: PLC0415 - see `parser`

        return RestHeaderParser(self.arguments.of_identifiers, self.limits)

    def _client(self, arguments: RestArguments, session: Session) -> RestClient:
        from harvest_dagster.harvesters.rest.client import RestClient  # noqa: PLC0415 - see `parser`

        if arguments.parents is None:
            return RestClient(arguments, session, self.limits, self.arguments)
        from harvest_dagster.harvesters.rest.parents import ParentsClient  # noqa: PLC0415 - see `parser`

        return ParentsClient(arguments, session, self.limits, self.arguments)

"""REST APIs as a harvester: the arguments of the YAML, a client and a parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.harvesters.interface import Harvester, Session
from harvest_dagster.harvesters.rest.arguments import RestArguments

if TYPE_CHECKING:
    from harvest_dagster.harvesters.rest.client import RestClient
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
        # Loading the catalog needs only the arguments.
        from harvest_dagster.harvesters.rest.client import RestClient  # noqa: PLC0415 - takes 0.01 s

        if self.arguments.parents is None:
            return RestClient(self.arguments, session, self.limits)
        from harvest_dagster.harvesters.rest.parents import ParentsClient  # noqa: PLC0415 - see above

        return ParentsClient(self.arguments, session, self.limits)

    def parser(self) -> RestParser:
        """Return a parser for the pages of the API."""
        from harvest_dagster.harvesters.rest.parser import RestParser  # noqa: PLC0415 - see `client`

        return RestParser(self.arguments, self.limits)

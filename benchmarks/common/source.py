"""The source of the benchmark of speed: the simulator, with pages that it renders only once.

    python benchmarks/common/source.py --records 200000 --page-size 1000 --cache FOLDER

The simulator takes 40 to 90 µs for a record. So it would slow a client down on two cores. Each page is
rendered when it is first requested, and kept as a file. Later requests with the same arguments get this file. The first
line of the output is a JSON object with the URLs of both lists.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster.testing.simulator.behaviours.base import Behaviour, Handler
from harvest_dagster.testing.simulator.serving.messages import Request, Response

RECORD_BYTES = 2_000
FIRST_DAY = date(2024, 3, 1)
# The arguments of the product for this day. The other tools ask for the same list, so it is rendered once.
FROM, UNTIL = "2024-02-29T23:59:59Z", "2024-03-02T00:00:00Z"


def repository(records: int, page_size: int) -> Repository:
    """Return the repository: all records have datestamps of one day, and none is deleted."""
    return Repository(
        first_day=FIRST_DAY,
        days=1,
        records_per_day=records,
        page_size=page_size,
        record_bytes=RECORD_BYTES,
        deleted=0,
    )


@dataclass(frozen=True)
class CachedPages(Behaviour):
    """Keeps each page of a list as a file in a folder."""

    folder: Path

    def when(self, request: Request) -> bool:
        """Return whether the request is for a page of a list."""
        return request.is_list

    def apply(self, request: Request, handler: Handler) -> Response:
        """Return the kept page, or render and keep it."""
        key = json.dumps([request.path, sorted(request.arguments)]).encode()
        body = self.folder / hashlib.sha256(key).hexdigest()
        if body.exists():
            return Response(body.read_bytes(), headers=json.loads(body.with_suffix(".headers").read_text()))
        response = replace(handler(request), page=None, render=None)
        if response.status == 200 and not response.error_code:  # noqa: PLR2004 - OK
            body.with_suffix(".headers").write_text(json.dumps(dict(response.headers)))
            part = body.with_suffix(".part")
            part.write_bytes(response.body)
            part.rename(body)
        return response


@contextmanager
def serve(options: Any) -> Iterator[dict[str, str]]:
    """Serve the repository and yield the URLs of its lists."""
    behaviours = [CachedPages(options.cache)] if options.cache else []
    with Server(repository(options.records, options.page_size), behaviours=behaviours) as server:
        yield {"oai": server.url, "json": server.json_url}


def main() -> None:
    """Serve until standard input is closed. It closes even if the benchmark is killed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--page-size", type=int, default=1_000)
    parser.add_argument("--cache", type=Path, help="folder of the pages; without it, they are not kept")
    with serve(parser.parse_args()) as urls:
        print(json.dumps(urls), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()

"""Whatever a source repeats, it is read in one pass.

While `re` searches, no other thread works, and no lease is renewed: with a pattern that has two ways to match,
22 comments before a root held a worker for a second, each further one for twice as long.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone

import pytest

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters import exact_json, oai_pieces, oai_salvage, strict_xml
from harvest_dagster.http import rate_headers, retry, webpages
from harvest_dagster.http.redaction import Redactor
from harvest_dagster.texts import beginning, brief, seen

REPEATED = (
    *(b"<!--", b"<!-- -->", b"<?", b"<?a?>", b"<![CDATA[", b"<!DOCTYPE a>", b"<!DOCTYPE a ["),
    *(b"<", b"</", b"<a ", b"<a>", b"<a b='", b"<a></a>", b"<title", b"<h1>", b"<h1></h1>", b"<input "),
    *(b"<input type=", b"<script>", b"<script></script", b"<script ", b"</script "),
    *(
        b"<record>",
        b"<record ",
        b"<record/>",
        b"<record><!--",
        b"</record",
        b"<ListRecords ",
        b"<ListRecords>",
    ),
    *(
        b"&",
        b"&#1",
        b"&amp;",
        b'"',
        b"'",
        b" ",
        b"\n",
        b"\t<",
        b"1",
        b"a",
        b"a ",
        b"=",
        b";",
        b",",
        b'"a";q=1;w=',
        b"[",
    ),
    *(b"\0", b"\xff", b"access to this ", b"you are ", b"-", b"://", b"["),
)
LENGTH = 1024 * 1024
# Seconds of the processor for all bodies of a reader. It takes one or two; of a pattern that is quadratic a single
# body takes 14, although 64 KB of it are read, or a day.
ENOUGH = 20


def headers(body: bytes) -> None:
    text = body[: 64 * 1024].decode("latin-1")  # http.client takes no longer line
    names = ("RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Reset", "Date")
    now = datetime.now(timezone.utc)
    rate_headers.read(dict.fromkeys(names, text) | {"X-RateLimit-Remaining": "0"}, now)
    retry.retry_after(503, text, now)


LIST = b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords><record>'


def salvage(body: bytes) -> None:
    end = b"</record></ListRecords></OAI-PMH>"
    how = {"verb": "ListRecords", "url": "", "content_type": "text/xml"}
    oai_salvage.read_list(LIST + body + end, **how, status=200, asked={})


READERS: dict[str, Callable[[bytes], object]] = {
    "is_html": lambda body: webpages.is_html(body, "text/html"),
    "web_page_error": lambda body: webpages.web_page_error(body, url=""),
    "excerpt": Redactor(str).excerpt,
    "texts": lambda body: (
        seen(body),
        *(cut(body[:65536].decode("latin-1"), 40_000) for cut in (beginning, brief)),
    ),
    "strict_xml": lambda body: strict_xml.parse(b"<?xml version='1.0'?>" + body, url=""),
    "exact_json": lambda body: exact_json.parse(body, url=""),
    "oai_pieces": lambda body: oai_pieces.cut(LIST + body, verb="ListRecords", item="record"),
    "oai_salvage": salvage,
    "headers": headers,
}


@pytest.mark.parametrize("reader", READERS)
def test_reading_takes_as_long_as_the_body_is(reader: str) -> None:
    """By the processor's time, in a process of its own: nothing ends a pattern that runs away, and load counts not."""
    command = [sys.executable, "-m", __name__, reader]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout.splitlines()[-1:]} {done.stderr}"


def main(reader: str) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (ENOUGH, ENOUGH))
    for repeated in REPEATED:
        print(repeated, flush=True)
        with suppress(SourceError):
            READERS[reader](repeated * (LENGTH // len(repeated)))


if __name__ == "__main__":
    main(sys.argv[1])

"""Parsing takes linear time, whatever a source repeats in a body.

`re` does not release the interpreter while it searches, so no other thread runs and no lease is renewed. With an
ambiguous pattern, 22 comments before a root element blocked a worker for a second, and each further comment doubled
that time.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from xml.sax.saxutils import escape

import pytest

from harvest_dagster.errors import SourceError, TransformError
from harvest_dagster.harvesters.formats import strict_json, strict_xml
from harvest_dagster.harvesters.oai import page_recovery, page_splitter
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.parser import RestParser
from harvest_dagster.http.html import page_detection
from harvest_dagster.http.rate_limit import response_headers
from harvest_dagster.http.redaction import Redactor
from harvest_dagster.http.transport.secret_echoes import SecretMasker
from harvest_dagster.masking import build_masker
from harvest_dagster.texts import cut_at_word, describe_start, shorten
from harvest_dagster.transformers.formats.oai_dc.transformer import OaiDcTransformer
from harvest_dagster.transformers.recognition import dates, identifiers, languages

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
    *(
        b"urn:",
        b"urn:doi:",
        b"doi:",
        b"https://doi.org/",
        b"10.1000/",
        b"-a",
        b".1",
        b"a;",
        b"%3A",
        b"https://",
    ),
    *(b"\0", b"\xff", b"access to this ", b"you are ", b"-", b"://", b"["),
)
LENGTH = 256 * 1024
# Limit in seconds of processor time for each body. It takes less than 0.1 seconds on an idle machine. With a quadratic
# pattern, it takes minutes.
CPU_LIMIT = 30


def headers(body: bytes) -> None:
    text = body[: 64 * 1024].decode("latin-1")  # the longest line that http.client accepts
    names = ("RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Reset", "Date")
    now = datetime.now(timezone.utc)
    response_headers.parse_rate_limit_headers(
        dict.fromkeys(names, text) | {"X-RateLimit-Remaining": "0"}, now
    )
    response_headers.retry_after(503, text, now)


def rows(body: bytes) -> None:
    """Parse pages of CSV and of JSON Lines."""
    paging = {
        "base_url": "https://api.test",
        "params": {"dates": "{from} {until}"},
        "next": {"by": "link_header"},
    }
    for response, beginnings in {"csv": (b"", b'id,x\n1,"'), "jsonl": (b'{"id":1}\n',)}.items():
        kwargs = RestArguments.model_validate(
            {**paging, "response": response, "records": "$", "identifier": "id"}
        )
        for beginning in beginnings:
            with suppress(SourceError):
                RestParser(kwargs).document(beginning + body, "", "")


LIST = b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords><record>'


def recover_page(body: bytes) -> None:
    end = b"</record></ListRecords></OAI-PMH>"
    options = {"verb": "ListRecords", "url": "", "content_type": "text/xml"}
    page_recovery.parse_list(LIST + body + end, **options, status=200, asked={})


PREFIXES = (
    "",
    "10.1000/",
    "https://doi.org/10.1000/a",
    "https://hdl.handle.net/1/",
    "urn:",
    "oai:a",
    "978-",
    "en-x",
    "2004",
)
DC = "http://purl.org/dc/elements/1.1/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
CONTAINER = (
    '<record xmlns="http://www.openarchives.org/OAI/2.0/"><metadata>'
    f'<dc xmlns="http://www.openarchives.org/OAI/2.0/oai_dc/" xmlns:dc="{DC}" xmlns:r="{RDF}">'
    "%s</dc></metadata></record>"
)


def read_values(body: bytes) -> None:
    """Recognize identifiers, dates and languages in texts that begin well."""
    text = body[: 64 * 1024].decode("latin-1")
    for prefix in PREFIXES:
        for value in (prefix + text, prefix + text + "\0"):
            identifiers.identify(value)
            identifiers.web_address(value)
            dates.parse_date(value)
            languages.language_code(value)


def transform(body: bytes) -> None:
    """Transform a record with the text in each element, and one with a long list."""
    text = escape("".join(filter(str.isprintable, body[: 64 * 1024].decode("latin-1"))))
    elements = ("title", "date", "language", "type", "identifier", "rights", "relation", "x")
    values = "".join(f"<dc:{name}>{text}</dc:{name}>" for name in elements)
    items = f"<r:li>{text[:4]}</r:li>" * 5000
    for content in (values, f"<dc:subject><r:Bag>{items}</r:Bag></dc:subject>"):
        with suppress(TransformError):
            OaiDcTransformer(OaiDcTransformer.Arguments()).transform("x", CONTAINER % content)


PARSERS: dict[str, Callable[[bytes], object]] = {
    "is_html": lambda body: page_detection.is_html(body, "text/html"),
    "web_page_error": lambda body: page_detection.web_page_error(body, url=""),
    "excerpt": Redactor(str).excerpt,
    "texts": lambda body: (
        describe_start(body),
        *(cut(body[:65536].decode("latin-1"), 40_000) for cut in (cut_at_word, shorten)),
    ),
    "strict_xml": lambda body: strict_xml.parse_xml(b"<?xml version='1.0'?>" + body, url=""),
    "strict_json": lambda body: strict_json.parse_json(body, url=""),
    "page_splitter": lambda body: page_splitter.split_page(
        LIST + body, verb="ListRecords", item_name="record"
    ),
    "page_recovery": recover_page,
    "headers": headers,
    "rows": rows,
    "transformer values": read_values,
    "transformer": transform,
    "masker": lambda body: build_masker(["1a +&%<a>\\", "a b", "+ "])(body.decode("latin-1")),
    "secret_echoes": lambda body: SecretMasker(["password a+b <a>%25&amp;"]).mask(
        "source.example", b"password".join(body[start : start + 4096] for start in range(0, len(body), 4096))
    ),
}


@pytest.mark.parametrize("parser", PARSERS)
def test_parsing_takes_linear_time(parser: str) -> None:
    """A separate process has a limit of processor time: nothing else stops `re`, and other load does not count."""
    command = [sys.executable, "-m", __name__, parser]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout.splitlines()[-1:]} {done.stderr}"


def limit_processor_time() -> None:
    """End this process after CPU_LIMIT more seconds of processor time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + CPU_LIMIT
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def main(parser: str) -> None:
    for repeated in REPEATED:
        print(repeated, flush=True)
        limit_processor_time()
        with suppress(SourceError):
            PARSERS[parser](repeated * (LENGTH // len(repeated)))


if __name__ == "__main__":
    main(sys.argv[1])

"""The simulator's records as an archived Atom feed (RFC 5005, section 4) with a total, for the harvester `feed`."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

from harvest_dagster.testing.simulator import ListQuery, RecordContent, RenderedList, Renderer

NAMESPACES = (
    'xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0" '
    'xmlns:os="http://a9.com/-/spec/opensearch/1.1/" xmlns:fh="http://purl.org/syndication/history/1.0"'
)


class ArchivedFeedRenderer(Renderer):
    """Each page is an archive. The simulator lists its oldest records first, so the order is the wrong one."""

    features = frozenset({"totals", "tokens"})
    content_type = "application/atom+xml; charset=utf-8"

    def query(self, arguments: Mapping[str, str]) -> ListQuery:
        return ListQuery(token=arguments.get("page"))

    def record(self, record: RecordContent) -> str:
        if record.deleted:
            return f'<at:deleted-entry ref="{record.identifier}" when="{record.datestamp}"/>'
        title = escape("; ".join(record.metadata["title"]))
        return (
            f"<entry><id>{record.identifier}</id><updated>{record.datestamp}</updated>"
            f"<title>{title}</title></entry>"
        )

    def page(self, content: RenderedList) -> str:
        page = content.page
        total = "" if page.total is None else f"<os:totalResults>{escape(str(page.total))}</os:totalResults>"
        url = escape(f"{content.url}?{urlencode({'page': page.token or ''})}")
        link = f'<link rel="prev-archive" href="{url}"/>' if page.token else ""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<feed {NAMESPACES}><fh:archive/>{total}{link}'
            f"{''.join(page.records)}</feed>"
        )

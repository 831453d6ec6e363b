"""The step split: parses each spooled page into records in canonical form, and separates the invalid ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from harvest_dagster.errors import SpoolError
from harvest_dagster.harvesters.interface import Parser
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.snapshots import list_window
from harvest_dagster.records import InvalidRecord, Page, Record
from harvest_dagster.spool import AttemptSpool, PageManifest, ParsedPage, ParsedPageWriter
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.texts import make_storable
from harvest_dagster.windows import Window

# PostgreSQL's index accepts keys of at most 2,704 bytes. No identifier of a real source is nearly as long.
LONGEST_IDENTIFIER = 2000  # bytes
_SHORTENED_IDENTIFIER = 200  # characters
_MOST_BYTES_OF_A_CHARACTER = 4  # in UTF-8


def split(harvest: HarvestContext, log: HarvestLog, keep_going: Callable[[], None]) -> int:
    """Parse the pages that are not parsed yet, or whose records are damaged. `limit` shortens the last one.

    Args:
        harvest: the harvest.
        log: the window's log.
        keep_going: called after each page; it raises if the harvest has to stop.

    Returns:
        the number of parsed pages.

    Raises:
        SpoolError: a page is missing, or is not what its manifest says.
        SpoolUnreachable: the object store of the spool cannot be reached now.
    """
    spool = harvest.attempt(log)
    summary = spool.require_fetched()
    whole = _find_whole_lists(spool) if summary.sub_windows > 1 else []
    window = list_window(harvest.config, log.window)
    writer, remaining = ParsedPageWriter(spool), log.record_limit
    if summary.sub_windows == 1:  # `parse_ahead` did not know yet which other lists would be complete
        for count in writer.add_earlier_pages(summary.pages):
            remaining = _subtract(remaining, count)
    while writer.pages < summary.pages:
        manifest = spool.read_with_body(writer.pages)
        parsed_page = _parse(harvest.source.parser, manifest, window, whole, remaining)
        writer.add(parsed_page)
        remaining = _subtract(remaining, len(parsed_page.records))
        keep_going()
    writer.end(summary)
    return summary.pages


def _subtract(remaining: int | None, count: int) -> int | None:
    return None if remaining is None else remaining - count


def parse_ahead(harvest: HarvestContext, log: HarvestLog, page: Page, manifest: PageManifest) -> None:
    """Write the records of a page that has just been fetched, if its content is still in memory. `split` finds them.

    Nothing is written if the records depend on other pages: if there is a limit, or after the first list. In an object
    store, `split` writes the records of several pages into one file.

    Raises:
        SpoolError: the records cannot be written, or some of them are missing.
        SpoolUnreachable: the object store cannot be reached now.
    """
    spool = harvest.attempt(log)
    is_independent = log.record_limit is None and manifest.sub_window.number == 0
    if page.parsed is None or not is_independent or spool.most_bytes_together:
        return
    window = list_window(harvest.config, log.window)
    parsed_page = _parse(harvest.source.parser, replace(manifest, page=page), window, (), None)
    spool.write_parsed_page(manifest.number, parsed_page)


def parsed_pages(
    harvest: HarvestContext, log: HarvestLog, first: int, keep_going: Callable[[], None]
) -> Iterator[tuple[int, ParsedPage]]:
    """Yield the number and the records of each page from one on, for the later steps.

    If records are damaged, their page is parsed again from the page as it was received.

    Args:
        harvest: the harvest.
        log: the window's log.
        first: the number of the first page.
        keep_going: called while pages are parsed again.

    Raises:
        SpoolError: a page is not parsed, or the page as it was received is damaged, too.
        SpoolUnreachable: the object store of the spool cannot be reached now.
    """
    spool = harvest.attempt(log)
    index, number = spool.require_parsed(), first
    while number < index.summary.pages:
        start = index.file_of(number)
        found = spool.find_parsed_pages(start)
        if found is None or start + len(found) <= number:
            harvest.logger.warning(
                f"the records of page {number + 1} in the spool are damaged. The page is parsed again."
            )
            split(harvest, log, keep_going)
            index = spool.require_parsed()
            start = index.file_of(number)
            found = spool.read_parsed_pages(start)
        yield from enumerate(found[number - start :], number)
        number = start + len(found)


def _find_whole_lists(spool: AttemptSpool) -> list[Window]:
    """Return the windows whose lists were received to the end."""
    last = {manifest.sub_window: manifest for manifest in spool.manifests()}
    return [sub_window.window for sub_window, manifest in last.items() if manifest.page.next is None]


def _is_in_another_list(record: Record, manifest: PageManifest, whole: Collection[Window]) -> bool:
    """Return whether a record belongs to another part of the window, whose list was received to the end.

    If that list broke, it may lack the record, although the record counts for its total.
    """
    datestamp, own, asked = record.datestamp, manifest.sub_window.window, manifest.page.widened_window
    if datestamp is None or asked is None or datestamp in own or datestamp not in asked:
        return False
    return any(datestamp in other for other in whole if other != own)


def _parse(
    parser: Parser,
    manifest: PageManifest,
    window: Window,
    whole: Collection[Window],
    remaining: int | None,
) -> ParsedPage:
    """Parse a page, and keep the records of the window that no other list has.

    Args:
        parser: parses it.
        manifest: the page, with its body. It may be of a list of a part of the window.
        window: the whole window.
        whole: the windows whose lists were received to the end.
        remaining: how many records may be kept; None for all.
    """
    records: list[Record] = []
    invalid: list[InvalidRecord] = []
    for parsed in parser.records(manifest.page, window):
        if whole and isinstance(parsed, Record) and _is_in_another_list(parsed, manifest, whole):
            continue
        if remaining is not None and len(records) >= remaining:
            break
        checked = as_storable(parsed)
        if isinstance(checked, InvalidRecord):
            invalid.append(checked)
        else:
            records.append(checked)
    if remaining is None:
        _verify_count(manifest.page, len(records) + len(invalid))
    return ParsedPage(records, invalid)


def _verify_count(page: Page, parsed: int) -> None:
    """Raise SpoolError if a page gave fewer records than the harvester counted on it when it fetched the page.

    That cannot be known of a page whose records may belong to neighbouring windows without being counted
    (`Page.neighbours`), or come with other pages.
    """
    is_comparable = page.requested_window is None and page.single_record is None and not page.sent_separately
    expected = page.count - page.neighbours
    if is_comparable and parsed < expected:
        message = (
            f"{page.request.url} had {expected} records when it was fetched, and the parser found {parsed}. "
            "This is an error of the harvester. Report it, with the page from the spool."
        )
        raise SpoolError(message)


def as_storable(parsed: Record | InvalidRecord) -> Record | InvalidRecord:
    """Return a record that a database can store. One that it cannot store is an invalid record."""
    if isinstance(parsed, Record):
        problem = _find_problem(parsed)
        if problem is None:
            return parsed
        parsed = InvalidRecord(parsed.blob.encode("utf-8", "surrogatepass"), problem, parsed.identifier)
    return _storable(parsed)


def _find_problem(record: Record) -> str | None:
    """Return why a database cannot store the record, or None if it can."""
    return find_identifier_problem(record.identifier) or _find_text_problem(record.blob)


def find_identifier_problem(identifier: str) -> str | None:
    """Return why no record with this identifier can be stored, or None if it can."""
    if not identifier:
        return "its identifier is empty"
    if _is_long(identifier):
        return f"its identifier is longer than {LONGEST_IDENTIFIER} bytes"
    return _find_text_problem(identifier)


def _is_long(identifier: str) -> bool:
    is_short = len(identifier) * _MOST_BYTES_OF_A_CHARACTER <= LONGEST_IDENTIFIER  # nearly all are
    return not is_short and len(identifier.encode("utf-8", "surrogatepass")) > LONGEST_IDENTIFIER


def _find_text_problem(text: str) -> str | None:
    if "\0" in text:
        return "it contains a NUL character"
    if not text.isascii() and not _is_utf8(text):
        return "it contains half of a surrogate pair"
    return None


def _storable(record: InvalidRecord) -> InvalidRecord:
    """Return the record with an identifier and an error that a database can store. Its bytes stay as they are."""
    identifier = None if record.identifier is None else make_storable(record.identifier)
    if identifier is not None and len(identifier.encode()) > LONGEST_IDENTIFIER:
        identifier = identifier[:_SHORTENED_IDENTIFIER]
    return replace(record, identifier=identifier, error=make_storable(record.error))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

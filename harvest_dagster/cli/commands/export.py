"""`harvest export`: export the current records or documents of sources to files."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import click

from harvest_dagster.cli.options import Label, json_option
from harvest_dagster.cli.output import print_json
from harvest_dagster.cli.row_options import since_option
from harvest_dagster.data.export import ExportSummary, export
from harvest_dagster.data.rows import Kind
from harvest_dagster.data.writers import WRITERS, format_of
from harvest_dagster.errors import BadInput
from harvest_dagster.windows import format_instant


@click.command("export")
@click.argument("label", type=Label(), required=False, metavar="LABEL|--all")
@click.argument("path", required=False, metavar="PATH")
@click.option("--all", "all_sources", is_flag=True, help="Export all sources that were ever harvested.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(list(WRITERS)),
    help="Format of the files. Default: the format that the end of PATH names.",
)
@click.option("--records", is_flag=True, help="Export the records in canonical form.")
@click.option("--documents", is_flag=True, help="Export the documents (default).")
@since_option
@json_option
def command(
    *,
    label: str | None,
    path: str | None,
    all_sources: bool,
    file_format: str | None,
    records: bool,
    documents: bool,
    since: datetime | None,
    as_json: bool,
) -> None:
    r"""Export the current records or documents of a source to PATH, a path or an fsspec URL.

    There is one row for each identifier, its newest revision, deleted ones included. The columns are those of the views
    current_record and current_document. The file appears only when it is complete. If PATH ends with a slash, it
    is a directory, and each source gets one file or more.

    Parquet needs pyarrow: pip install 'harvest_dagster[parquet]'

    \b
    Examples:
      harvest export arxiv_cs --format parquet arxiv.parquet
      harvest export arxiv_cs --records --since 2026-01-31T04:00:00Z changes.jsonl
      harvest export --all --format parquet s3://bucket/metadata/
    """
    if all_sources and path is None:
        label, path = None, label  # with --all, the only argument is the path
    if path is None or (label is None) != all_sources:
        raise click.UsageError("Name one source or --all, and a path: harvest export LABEL PATH.")
    if records and documents:
        raise click.UsageError("Use only one of --records and --documents. Each needs a file of its own.")
    if path == "-":
        raise click.UsageError(f"Name a file. To print JSON Lines, use: harvest records {label or 'LABEL'}")
    kind: Kind = "records" if records else "documents"
    chosen = file_format or format_of(path)
    if chosen is None:
        raise click.UsageError(
            f"The end of {path!r} names no format. Use --format with one of {', '.join(WRITERS)}."
        )
    try:
        summary = export(None if label is None else [label], kind, chosen, path, since)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error}. Nothing was replaced.") from error
    if as_json:
        print_json({**asdict(summary), "rows": summary.rows, "deleted": summary.deleted})
    else:
        _print_summary(summary, kind)


def _print_summary(summary: ExportSummary, kind: Kind) -> None:
    files = summary.files[0] if len(summary.files) == 1 else f"{len(summary.files)} files"
    click.echo(f"{summary.rows:,} {kind}, {summary.deleted:,} of them deleted, in {files}")
    for source in summary.sources:
        if source.changed_at is not None:
            instant = format_instant(source.changed_at)
            click.echo(f"Next time, get the changes of {source.label} with --since {instant}")

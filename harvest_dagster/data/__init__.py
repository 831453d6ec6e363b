"""Read what was harvested: the rows of the views current_record and current_document.

    from harvest_dagster import data

    for document in data.documents("arxiv_cs", since="2026-01-31"):
        print(document.identifier, document.deleted, document.document)

`rows` reads them as plain values, `arrow` as record batches, and `export` writes them to files. docs/data.md describes
the rows and how to follow their changes. Not here: writing to the database.
"""

from harvest_dagster.data.rows import CurrentDocument, CurrentRecord, documents, records, to_arrow

__all__ = ["CurrentDocument", "CurrentRecord", "documents", "records", "to_arrow"]

"""The arguments of files: `harvester_kwargs` of the harvester `files`, explained in docs/files.md."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from harvest_dagster.harvesters.interface import Arguments, NotDeciding
from harvest_dagster.harvesters.request_headers import validate_headers

HTTP = ("http", "https")
_PROTOCOL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PATH = r"^[^.]+(\.[^.]+)*$"


def protocol_of(path: str) -> str:
    """Return the protocol of a URL in lower case, or `file` for a path."""
    found = _PROTOCOL.match(path)
    return found[1].lower() if found else "file"


class FilesArguments(Arguments):
    """`harvester_kwargs` of files.

    Attributes:
        path: path, glob or URL of the files: `/data/*.jsonl.gz`, `https://…`, `s3://bucket/dump/`. A directory stands
            for all files below it.
        format: `jsonl`: one JSON object on each line; `json`: a list of objects; `csv`: a header and rows; `xml`:
            elements; `oai`: responses of an OAI-PMH repository.
        identifier: path of the identifier in a record, such as `metadata.id`, in XML also `@id` for an attribute. The
            format `oai` needs none.
        datestamp: path of the date by which a record belongs to a window. The format `oai` needs none.
        record: name of the element of a record, without namespace. Only for `xml`.
        delimiter: character between the fields. Only for `csv`.
        encoding: encoding of the text. Only for `csv`.
        page_size: number of records that are read and stored at once.
        headers: HTTP headers, for an http or https URL.
    """

    path: str = Field(min_length=1)
    format: Literal["jsonl", "json", "csv", "xml", "oai"]
    identifier: str | None = Field(default=None, pattern=_PATH)
    datestamp: str | None = Field(default=None, pattern=_PATH)
    record: str | None = Field(default=None, min_length=1)
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    page_size: Annotated[int, NotDeciding()] = Field(default=1000, ge=1, le=100_000)
    headers: Annotated[dict[str, str], AfterValidator(validate_headers), NotDeciding()] = Field(
        default_factory=dict
    )

    @field_validator("path")
    @classmethod
    def _can_be_opened(cls, path: str) -> str:
        protocol = protocol_of(path)
        if "::" in path:
            raise ValueError(
                "a chain of file systems (`::`) is not supported. Compression is recognized without it"
            )
        if protocol in HTTP and not urlsplit(path).hostname:
            raise ValueError("an http or https URL must name its host")
        if protocol not in ("file", *HTTP):
            from fsspec import available_protocols  # noqa: PLC0415 - few sources need it, and it takes 0.1 s

            if protocol not in available_protocols():
                raise ValueError(
                    f"{protocol}:// is no file system that fsspec knows. Use a path, http, https, s3, gs or sftp"
                )
        if path.count("[") != path.count("]") and protocol not in HTTP:
            raise ValueError("the glob has a [ without a ]. Write [[] for the character [")
        return path

    @field_validator("encoding")
    @classmethod
    def _exists(cls, encoding: str) -> str:
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise ValueError(f"{encoding!r} is no encoding. Use utf-8, latin-1 or cp1252") from None
        return encoding

    @model_validator(mode="after")
    def _fits(self) -> FilesArguments:
        if faults := list(self._faults()):
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        if self.format == "oai" and (self.identifier or self.datestamp):
            yield "format oai takes neither `identifier` nor `datestamp`: the headers of the records have them"
        if self.format != "oai" and not self.identifier:
            yield f"format {self.format} needs `identifier`: the path of the identifier in a record"
        if self.format == "xml" and not self.record:
            yield "format xml needs `record`: the name of the element of a record"
        if self.format != "xml" and self.record:
            yield f"format {self.format} takes no `record`: only xml does"
        if self.headers and protocol_of(self.path) not in HTTP:
            yield "`headers` are only for http and https"

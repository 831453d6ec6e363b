"""Store the list in PostgreSQL with an ORM, as many applications do: get or create each object, commit each record.

`python orm.py ARGUMENTS`, a JSON object with url, from, until and database. The tables are identifier, datum and log.
"""

import json
import sys
from hashlib import sha256

from pages import oai_pages
from sqlalchemy import ForeignKey, UniqueConstraint, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

ARGUMENTS = json.loads(sys.argv[1])


class Base(DeclarativeBase):
    """The base of the models."""


class Identifier(Base):
    """An identifier of the source."""

    __tablename__ = "identifier"
    id: Mapped[int] = mapped_column(primary_key=True)
    identifier: Mapped[str] = mapped_column(unique=True)


class Datum(Base):
    """A content of an identifier."""

    __tablename__ = "datum"
    __table_args__ = (UniqueConstraint("identifier_id", "hash"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    identifier_id: Mapped[int] = mapped_column(ForeignKey("identifier.id"))
    hash: Mapped[str]
    datestamp: Mapped[str]
    datum: Mapped[str]


class Log(Base):
    """The state of the transformation of a datum."""

    __tablename__ = "log"
    id: Mapped[int] = mapped_column(primary_key=True)
    datum_id: Mapped[int] = mapped_column(ForeignKey("datum.id"), unique=True)
    status: Mapped[str]


def get_or_create(session, model, defaults=None, **key):  # type: ignore[no-untyped-def]
    """Return the object with this key, created if necessary."""
    found = session.scalars(select(model).filter_by(**key)).one_or_none()
    if found is None:
        found = model(**key, **(defaults or {}))
        session.add(found)
        session.flush()
    return found


engine = create_engine(ARGUMENTS["database"].replace("postgresql://", "postgresql+psycopg://"))
Base.metadata.create_all(engine)
with Session(engine) as session:
    for page in oai_pages(ARGUMENTS["url"], ARGUMENTS["from"], ARGUMENTS["until"]):
        for identifier, datestamp, blob in page:
            known = get_or_create(session, Identifier, identifier=identifier)
            content = {"datestamp": datestamp, "datum": blob.decode()}
            key = {"identifier_id": known.id, "hash": sha256(blob).hexdigest()}
            datum = get_or_create(session, Datum, content, **key)
            get_or_create(session, Log, {"status": "PENDING"}, datum_id=datum.id)
            session.commit()

"""What a source echoes of our secrets: masked in its answers, put back in requests to who knows it."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from harvest_dagster.errors import SourceUnreachable
from harvest_dagster.http.echoes import Echoes, stands_out
from harvest_dagster.http.hop import Hop
from harvest_dagster_tests.http.server import response, then_close

SECRET = "q83v+ASN/FZ4=mr&1"
OTHER = "another-k3y"


def test_an_answer_comes_without_the_secrets(serve, open_session):
    """It goes into the spool, its records into the database, and it may hold them in any spelling."""
    body = json.dumps({"you": SECRET, "next": f"/?key={quote(SECRET, safe='')}", "other": OTHER})
    server = serve(response(body.encode(), Content_Type=f"application/json; k={OTHER}"))
    answer = open_session(secrets=(SECRET, OTHER)).get(server.url)
    assert json.loads(answer.body) == {"you": "***1***", "next": "/?key=***1***", "other": "***2***"}
    assert answer.content_type == "application/json; k=***2***"


def test_a_short_answer_is_short_by_what_came(serve, open_session):
    """Content-Length is held to the bytes as they came, and not to those with marks in them."""
    whole, cut = response(SECRET.encode()), then_close(response(SECRET.encode(), Content_Length="99"))
    session = open_session(secrets=(SECRET,))
    assert session.get(serve(whole).url).body == b"***1***"
    with pytest.raises(SourceUnreachable, match="17 of 99 bytes"):
        session.get(serve(cut).url, repeatable=False)


def test_a_mark_in_a_cursor_is_the_secret_again_for_who_told_it(serve, open_session):
    """A token that holds the key would be refused without it, and the list could never be read."""
    server = serve(response(f"token:{SECRET}".encode()))
    session = open_session(secrets=(SECRET,))
    token = session.get(server.url).body.decode()
    asked = session.get(server.url, {"token": token})
    assert server.paths[1] == f"/oai?token=token%3A{quote(SECRET, safe='')}"
    assert SECRET not in asked.url
    assert quote(SECRET, safe="") not in asked.url


def test_a_mark_stays_one_for_who_was_never_told():
    """Else a source could write it into a link and be sent a secret that is another's."""
    echoes = Echoes([SECRET, OTHER])
    echoes.masked("source.example", SECRET.encode())
    for url in ("https://source.example/?k=***2***", "https://elsewhere.example/?k=***1***"):
        assert echoes.completed(Hop(url)).url == url


@pytest.mark.parametrize(
    "hop",
    [
        Hop(f"https://source.example/?key={quote(SECRET)}&token=***1***"),
        Hop("https://source.example/?token=***1***", {"Authorization": f"Bearer {SECRET}"}),
        Hop("https://source.example/?token=***1***", auth=("anna", SECRET)),
    ],
)
def test_who_is_sent_a_secret_anyway_knows_it(hop):
    """A later run goes on with a cursor of the spool; it has heard nothing of the source yet."""
    assert Echoes([SECRET]).completed(hop).url.endswith(f"token={quote(SECRET, safe='')}")


@pytest.mark.parametrize("secret", ["short-1", "aggregator", "20240101", ""])
def test_what_data_may_hold_by_chance_is_left_in_them(secret):
    """A user's name, a date: masked in what people read, where it does no harm."""
    assert not stands_out(secret)
    body = f"{secret} and more".encode()
    assert Echoes([secret]).masked("source.example", body) is body


def test_the_name_of_a_host_is_no_secret_of_its_data():
    """`${HOST}` in base_url: each identifier of the source holds it."""
    body = b"oai:repo-1.example:7"
    assert Echoes(["repo-1.example"]).masked("repo-1.example", body) is body


def test_a_header_that_cannot_be_sent_is_named(open_session):
    """A secret that was read from a file ends with a line break; nothing is asked, and nothing of it told."""
    with pytest.raises(
        SourceUnreachable, match=r"'X-Key' holds a line break.*Mend it in the config"
    ) as caught:
        open_session().get("http://127.0.0.1:9/", headers={"X-Key": f"{SECRET}\n"})
    assert SECRET not in str(caught.value)
    assert not caught.value.transient

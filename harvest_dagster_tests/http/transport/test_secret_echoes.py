"""Secrets that a source repeats are masked in responses, and restored in requests to hosts that know them."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from harvest_dagster.errors import SourceUnreachable
from harvest_dagster.http.transport.redirects import RedirectStep
from harvest_dagster.http.transport.secret_echoes import SecretMasker, is_distinctive
from harvest_dagster_tests.http.server import response, then_close

SECRET = "q83v+ASN/FZ4=mr&1"
OTHER = "another-k3y"


def test_a_response_contains_no_secrets(serve, open_session):
    """The response goes into the spool and its records into the database. It may contain any spelling."""
    body = json.dumps({"you": SECRET, "next": f"/?key={quote(SECRET, safe='')}", "other": OTHER})
    server = serve(response(body.encode(), Content_Type=f"application/json; k={OTHER}"))
    received = open_session(secrets=(SECRET, OTHER)).get(server.url)
    assert json.loads(received.body) == {"you": "***1***", "next": "/?key=***1***", "other": "***2***"}
    assert received.content_type == "application/json; k=***2***"


def test_content_length_counts_the_bytes_before_masking(serve, open_session):
    """The mask `***1***` and the secret that it replaces differ in length."""
    complete, truncated = (
        response(SECRET.encode()),
        then_close(response(SECRET.encode(), Content_Length="99")),
    )
    session = open_session(secrets=(SECRET,))
    assert session.get(serve(complete).url).body == b"***1***"
    with pytest.raises(SourceUnreachable, match="17 of 99 bytes"):
        session.get(serve(truncated).url, repeatable=False)


def test_a_masked_secret_in_a_cursor_is_restored_for_the_host_that_sent_it(serve, open_session):
    """A token that contains the key would be refused without it, and the list could not be read."""
    server = serve(response(f"token:{SECRET}".encode()))
    session = open_session(secrets=(SECRET,))
    token = session.get(server.url).body.decode()
    second = session.get(server.url, {"token": token})
    assert server.paths[1] == f"/oai?token=token%3A{quote(SECRET, safe='')}"
    assert SECRET not in second.url
    assert quote(SECRET, safe="") not in second.url


def test_a_masked_secret_is_not_restored_for_a_host_that_does_not_know_it():
    """A source could write a mark into a link and receive the secret of another source."""
    masker = SecretMasker([SECRET, OTHER])
    masker.mask("source.example", SECRET.encode())
    for url in ("https://source.example/?k=***2***", "https://elsewhere.example/?k=***1***"):
        assert masker.restore(RedirectStep(url)).url == url


@pytest.mark.parametrize(
    "step",
    [
        RedirectStep(f"https://source.example/?key={quote(SECRET)}&token=***1***"),
        RedirectStep("https://source.example/?token=***1***", {"Authorization": f"Bearer {SECRET}"}),
        RedirectStep("https://source.example/?token=***1***", auth=("anna", SECRET)),
    ],
)
def test_a_masked_secret_is_restored_in_a_request_that_sends_the_secret_anyway(step):
    """A later run resumes from a cursor in the spool, before it received anything from the source."""
    assert SecretMasker([SECRET]).restore(step).url.endswith(f"token={quote(SECRET, safe='')}")


@pytest.mark.parametrize("secret", ["short-1", "aggregator", "20240101", ""])
def test_a_secret_that_data_may_contain_by_chance_is_not_masked(secret):
    """Examples are a user name and a date. Texts for people mask them, where that does no harm."""
    assert not is_distinctive(secret)
    body = f"{secret} and more".encode()
    assert SecretMasker([secret]).mask("source.example", body) is body


def test_a_secret_that_is_the_name_of_the_host_is_not_masked():
    """`${HOST}` in base_url: each identifier of the source contains it."""
    body = b"oai:repo-1.example:7"
    assert SecretMasker(["repo-1.example"]).mask("repo-1.example", body) is body


def test_the_error_of_an_invalid_header_names_the_header(open_session):
    """A secret that is read from a file ends with a line break. The error does not contain it."""
    with pytest.raises(
        SourceUnreachable, match=r"'X-Key' contains a line break.*Correct it in the config"
    ) as caught:
        open_session().get("http://127.0.0.1:9/", headers={"X-Key": f"{SECRET}\n"})
    assert SECRET not in str(caught.value)
    assert not caught.value.transient

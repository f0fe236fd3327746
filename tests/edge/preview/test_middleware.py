"""The middleware: refuses foreign hosts, pages of other sites, and requests without the token."""

import pytest

from support.preview import TOKEN


@pytest.mark.parametrize("host", ["evil.example.org", "evil.example.org:8377", "127.0.0.1.nip.io"])
def test_foreign_host_name_is_refused(site, host):
    answer = site.get("/", Host=host)
    assert answer.status == 421
    assert b"preview.names" in answer.body


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "https://evil.example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, 200),
    ],
)
def test_requests_from_pages_of_other_sites_are_refused(site, headers, status):
    headers = {name: value.format(port=site.port) for name, value in headers.items()}
    assert site.get("/healthz", **headers).status == status
    posted = site.request("POST", "/picture/current", **headers).status
    assert posted == (403 if status == 403 or "navigate" in headers.values() else 409)


@pytest.mark.parametrize("path", ["/stream", "/healthz", "/metrics", "/page.js", "/nope"])
def test_every_route_needs_the_token(token_site, path):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Cookie": f"a=b; x={TOKEN}"}):
        answer = token_site.get(path, **headers)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert token_site.upload(b"x").status == 401


def test_token_is_accepted_as_bearer_header(token_site):
    assert token_site.get("/metrics", Authorization=f"Bearer {TOKEN}").status == 200
    assert token_site.get("/", Authorization=f"bearer {TOKEN}").status == 200

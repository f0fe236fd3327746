"""The routes: files of the page, login form, and what is answered elsewhere."""

import re
from importlib.resources import files

import pytest

from edge.preview.auth import PreviewAccess
from support.preview import LABELS, TOKEN, result

STATIC = files("edge.preview") / "static"
FILES = sorted(entry.name for entry in STATIC.iterdir() if entry.name not in {"index.html", "login.html"})


@pytest.mark.parametrize("name", ["", *FILES])
def test_every_file_of_the_page_is_served_with_security_headers(site, name):
    answer = site.get(f"/{name}")
    assert answer.status == 200
    assert answer.body == (STATIC / (name or "index.html")).read_bytes()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Access-Control-Allow-Origin"] is None
    assert answer.headers["Server"] is None
    assert site.get(f"/{name}", If_None_Match=answer.headers["ETag"]).status == 304


def test_page_loads_nothing_inline_or_from_other_hosts():
    for name in FILES:
        text = (STATIC / name).read_text(encoding="utf-8")
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text), name
        assert not re.findall(r"innerHTML|outerHTML|document\.write|eval\(|style=\"", text), name
    for name in ("index.html", "login.html"):
        text = (STATIC / name).read_text(encoding="utf-8")
        assert not re.findall(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=|https?:", text), name


def contrast(one, other):
    """Return the contrast of two colours, #rrggbb (WCAG 2.2, contrast ratio)."""

    def luminance(colour):
        shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [1, 2], ids=["light", "dark"])
def test_text_has_the_contrast_of_wcag_level_aa(scheme):
    block = (STATIC / "style.css").read_text(encoding="utf-8").split(":root {")[scheme].partition("}")[0]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    pairs = [(label, "on-colour") for label in (*LABELS, "unknown")]
    pairs += [(name, "card") for name in (*LABELS, "unknown", "ink", "soft", "accent", "good", "warn", "bad")]
    pairs += [
        ("soft", "paper"),
        ("soft", "hollow"),
        ("on-accent", "accent"),
        ("ink", "warn-paper"),
        ("ink", "bad-paper"),
    ]
    # Required by level AA for text of any size (WCAG 2.2, 1.4.3).
    assert [pair for pair in pairs if contrast(*(colours[name] for name in pair)) < 4.5] == []


@pytest.mark.parametrize("path", ["/page", "/../config.py", "/%2e%2e/server.py", "/index.html", "/style.css/", "//x"])
def test_other_paths_are_not_found(site, path):
    assert site.get(path).status in {404, 307}


@pytest.mark.parametrize(("method", "path"), [("POST", "/"), ("GET", "/picture"), ("DELETE", "/"), ("PUT", "/login")])
def test_other_methods_are_refused(site, method, path):
    assert site.request(method, path).status == 405


def test_login_exchanges_the_token_for_a_cookie(token_site):
    redirect = token_site.get("/")
    assert (redirect.status, redirect.headers["Location"]) == (303, "/login")
    page = token_site.get("/login")
    assert page.status == 200
    assert b"That is not the token" not in page.body
    assert all(token_site.get(f"/{name}").status == 200 for name in ("login.js", "style.css", "icon.svg"))

    wrong = token_site.request("POST", "/login", "token=wrong")
    assert wrong.status == 401
    assert b"That is not the token" in wrong.body
    assert wrong.headers["Set-Cookie"] is None

    right = token_site.request("POST", "/login", f"token={TOKEN}")
    assert (right.status, right.headers["Location"]) == (303, "/")
    cookie, *attributes = right.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=strict"} <= set(attributes)
    assert "Secure" not in attributes
    assert TOKEN not in cookie
    assert token_site.get("/", Cookie=cookie).status == 200
    assert token_site.get("/healthz", Cookie=f"other=1; {cookie}").status == 200
    assert token_site.get("/", Cookie=cookie[:-1]).status == 303
    name, _, value = cookie.partition("=")
    assert token_site.get("/", Cookie=f"emotion-edge-preview={value}").status == 200, "of an earlier version"
    # Browsers send the cookies of all ports of a host. That of a page with another token has another name.
    assert token_site.get("/", Cookie=f"emotion-edge-preview-01234567={'f' * 64}; {cookie}").status == 200
    assert PreviewAccess(frozenset(), "of another page, long").cookie_suffix != name[-8:]


def test_cookie_is_secure_behind_tls(token_site):
    origin = f"https://127.0.0.1:{token_site.port}"
    answer = token_site.request("POST", "/login", f"token={TOKEN}", Origin=origin)
    assert "Secure" in answer.headers["Set-Cookie"].split("; ")


@pytest.mark.parametrize("body", [b"", b"token=", b"\xff\xfe", b"token=" + b"x" * 5000, b"&".join([b"a=1"] * 50)])
def test_invalid_login_form_is_refused(token_site, body):
    assert token_site.request("POST", "/login", body).status in {400, 401}


def test_login_without_a_token_redirects_to_the_page(site):
    assert site.get("/login").headers["Location"] == "/"


def test_healthz_answers_with_status_and_reason(make_site):
    site = make_site()
    answer = site.get("/healthz")
    assert (answer.status, answer.headers["Content-Type"], answer.json["status"]) == (200, "application/json", "ok")
    site.feed.show(0.0, result(1), 5.0, 0)
    answer = site.get("/healthz")
    assert (answer.status, answer.json["status"]) == (503, "stuck")
    assert answer.json["reason"].startswith("no frame has gone through for ")

"""The server's answers: pages, headers, who may ask, the token, the probe, the metrics."""

import re
import time
from importlib.resources import files

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from edge.messages.payloads import BudgetStep
from support.mqtt import NOW, event
from support.preview import LABELS, TOKEN, Site, face, result

PAGE = files("edge.preview") / "static"
PARTS = sorted(entry.name for entry in PAGE.iterdir() if entry.name not in {"index.html", "login.html"})


@pytest.mark.parametrize("name", ["", *PARTS])
def test_every_part_of_the_page_is_there_and_guarded(site, name):
    answer = site.get(f"/{name}")
    assert answer.status == 200
    assert answer.body == (PAGE / (name or "index.html")).read_bytes()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Access-Control-Allow-Origin"] is None
    assert answer.headers["Server"] is None
    assert site.get(f"/{name}", If_None_Match=answer.headers["ETag"]).status == 304


def test_nothing_is_loaded_from_elsewhere_or_inline():
    for name in PARTS:
        text = (PAGE / name).read_text(encoding="utf-8")
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text), name
        assert not re.findall(r"innerHTML|outerHTML|document\.write|eval\(|style=\"", text), name
    for name in ("index.html", "login.html"):
        text = (PAGE / name).read_text(encoding="utf-8")
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
def test_all_text_can_be_read(scheme):
    block = (PAGE / "style.css").read_text(encoding="utf-8").split(":root {")[scheme].partition("}")[0]
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
    # What level AA asks of text of any size (WCAG 2.2, 1.4.3).
    assert [pair for pair in pairs if contrast(*(colours[name] for name in pair)) < 4.5] == []


@pytest.mark.parametrize("path", ["/page", "/../config.py", "/%2e%2e/server.py", "/index.html", "/style.css/", "//x"])
def test_nothing_else_is_there(site, path):
    assert site.get(path).status in {404, 307}


@pytest.mark.parametrize(("method", "path"), [("POST", "/"), ("GET", "/picture"), ("DELETE", "/"), ("PUT", "/login")])
def test_other_methods_are_refused(site, method, path):
    assert site.ask(method, path).status == 405


@pytest.mark.parametrize("host", ["evil.example.org", "evil.example.org:8377", "127.0.0.1.nip.io"])
def test_a_name_that_is_not_this_sensors(site, host):
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
def test_another_sites_page_gets_nothing(site, headers, status):
    headers = {name: value.format(port=site.port) for name, value in headers.items()}
    assert site.get("/healthz", **headers).status == status
    posted = site.ask("POST", "/picture/current", **headers).status
    assert posted == (403 if status == 403 or "navigate" in headers.values() else 409)


@pytest.fixture(scope="module")
def guarded():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOTION_EDGE_PREVIEW_TOKEN", TOKEN)
        one = Site(host="0.0.0.0")  # noqa: S104 - what the token is for
    yield one
    one.close()


@pytest.mark.parametrize("path", ["/stream", "/healthz", "/metrics", "/page.js", "/nope"])
def test_without_the_token_nothing_is_told(guarded, path):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Cookie": f"a=b; x={TOKEN}"}):
        answer = guarded.get(path, **headers)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert guarded.upload(b"x").status == 401


def test_the_token_as_a_header(guarded):
    assert guarded.get("/metrics", Authorization=f"Bearer {TOKEN}").status == 200
    assert guarded.get("/", Authorization=f"bearer {TOKEN}").status == 200


def test_the_token_becomes_a_cookie_once(guarded):
    away = guarded.get("/")
    assert (away.status, away.headers["Location"]) == (303, "/login")
    page = guarded.get("/login")
    assert page.status == 200
    assert b"That is not the token" not in page.body
    assert all(guarded.get(f"/{name}").status == 200 for name in ("login.js", "style.css", "icon.svg"))

    wrong = guarded.ask("POST", "/login", "token=wrong")
    assert wrong.status == 401
    assert b"That is not the token" in wrong.body
    assert wrong.headers["Set-Cookie"] is None

    right = guarded.ask("POST", "/login", f"token={TOKEN}")
    assert (right.status, right.headers["Location"]) == (303, "/")
    cookie, *attributes = right.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=strict"} <= set(attributes)
    assert "Secure" not in attributes
    assert TOKEN not in cookie
    assert guarded.get("/", Cookie=cookie).status == 200
    assert guarded.get("/healthz", Cookie=f"other=1; {cookie}").status == 200
    assert guarded.get("/", Cookie=cookie[:-1]).status == 303


def test_behind_tls_the_cookie_stays_there(guarded):
    origin = f"https://127.0.0.1:{guarded.port}"
    answer = guarded.ask("POST", "/login", f"token={TOKEN}", Origin=origin)
    assert "Secure" in answer.headers["Set-Cookie"].split("; ")


@pytest.mark.parametrize("body", [b"", b"token=", b"\xff\xfe", b"token=" + b"x" * 5000, b"&".join([b"a=1"] * 50)])
def test_a_form_that_is_none(guarded, body):
    assert guarded.ask("POST", "/login", body).status in {400, 401}


def test_without_a_token_there_is_no_login(site):
    assert site.get("/login").headers["Location"] == "/"


def probe(site, **changes):
    site.health = replace(site.health, **changes)
    answer = site.get("/healthz")
    return answer.status, answer.json["status"], answer.json["reason"]


def test_the_probe(make_site):
    site = make_site()
    assert probe(site) == (200, "ok", None)  # it has just begun
    site.preview._probe._began -= 100
    assert probe(site) == (503, "stuck", "no frame has gone through for 100 s")
    site.show(result(1))
    assert probe(site, broker="disconnected") == (200, "ok", None)
    site.window.show(time.monotonic() - 6.5, result(2), 5.0, 0)
    assert probe(site)[0] == 200  # its own limit for silence, and some time to notice, have not passed
    site.window.show(time.monotonic() - 7.5, result(3), 5.0, 0)
    assert probe(site)[:2] == (503, "stuck")
    assert probe(site, source="lost", source_error="unplugged") == (200, "reconnecting", "unplugged")
    assert probe(site, source="ended", source_error=None) == (200, "ended", None)


def test_the_metrics(make_site):
    site = make_site()
    step = BudgetStep(time=NOW, from_level="full", to_level="seldom", reason="latency", detail="too slow")
    site.health = replace(site.health, frames=7, temperature_c=51.5, throttled=True)
    site.health = replace(site.health, budget=replace(site.health.budget, level_index=1, steps=[step]))
    for number in range(3):
        site.show(result(number, faces=[face()]))
    site.window.decided(event(1))
    answer = site.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    found = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        assert family.documentation
        for sample in family.samples:
            found[sample.name, *sorted(sample.labels.values())] = sample.value
    assert found["emotion_edge_frames_total",] == 7
    assert found["emotion_edge_temperature_celsius",] == 51.5
    assert found["emotion_edge_throttled",] == 1
    assert found["emotion_edge_budget_level",] == 1
    assert found["emotion_edge_events_total", "emotion_changed"] == 1
    assert found["emotion_edge_source_state", "ok"] == 1
    assert found["emotion_edge_source_state", "lost"] == 0
    assert found["emotion_edge_broker_connected",] == 1
    assert found["emotion_edge_frame_latency_seconds_bucket", "0.005"] == 3
    assert found["emotion_edge_frame_latency_seconds_bucket", "+Inf"] == 3
    assert found["emotion_edge_frame_latency_seconds_count",] == 3
    assert found["emotion_edge_frame_latency_seconds_sum",] == pytest.approx(0.015)
    assert "openmetrics" in site.get("/metrics", Accept="application/openmetrics-text").headers["Content-Type"]

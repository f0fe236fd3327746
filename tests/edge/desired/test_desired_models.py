"""The thread that follows documents with models, from a real https server."""

import re
import threading
import time
from typing import Any

import pytest

from edge.messages.desired import Plan
from support.desired_sensor import Place, margin, plan
from support.mqtt import TIMEOUT_SECONDS
from support.signed_documents import Key, ModelServer


def test_model_is_fetched_checked_switched_and_kept(place: Place, key: Key, server: ModelServer) -> None:
    model = server.add_model("mine")
    sensor = place.start()
    sensor.receive(key.payload(plan(model=model, settings={"events.margin": 0.2}), 1))
    sensor.until(step="kept", counter=1)
    (offer,) = sensor.offers
    assert offer.classifier is not None
    assert offer.classifier.manifest.name == "mine"
    assert sensor.in_force.model.name == str(offer.classifier.path)
    assert sensor.in_force.events.margin == 0.2
    sensor.end()
    # It is there without the server, and the model that is no more needed is removed.
    server.close()
    again = place.start()
    assert again.start_config.model.name == str(offer.classifier.path)
    again.receive(key.payload(Plan(name="withdrawn"), 2))
    again.until_offers(1)
    assert again.offers[0].classifier.manifest.name == "normal"
    again.until(counter=2)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while sorted(one.name for one in place.folder.iterdir()) != ["state.json"]:
        assert time.monotonic() < deadline
        again.turn()


@pytest.mark.long
def test_model_that_does_not_fit_fails_with_a_sentence(place: Place, key: Key, server: ModelServer) -> None:
    good = server.add_model("good")
    server.add_model("other", manifest=lambda content: content["input"].update(width=96))
    other = server.model("other")
    third = server.add_model("third", tail=b"more")
    server.add_model("unread", manifest=lambda content: content.pop("labels"))
    unread = server.model("unread")
    cases = [
        (
            plan(model=type(good)(**{**_fields(good), "sha256": "0" * 64})),
            r"has the sha256 .*, and the document states",
        ),
        (plan(model=type(good)(**{**_fields(good), "size": 10})), "has more bytes, and the document states 10"),
        (plan(model=unread), "cannot be used as the manifest of"),
        (plan(model=type(good)(**{**_fields(good), "manifest": third.manifest})), "does not belong to"),
        (plan(model=other), "doctor, check model: .*the model's input is 1x88x88x1, the manifest states 1x88x96x1"),
        (
            plan(model=good, settings={"labels": {"good": ["joyful"]}}),
            r"labels\.good holds 'joyful', which is no label",
        ),
    ]
    sensor = place.start()
    for counter, (wanted, reason) in enumerate(cases, 1):
        sensor.receive(key.payload(wanted, counter, rollout=f"{counter:016x}"))
        info = sensor.until(step="failed", counter=counter)
        assert re.search(reason, str(info.reason)), info.reason
    assert sensor.in_force == place.config
    assert sensor.offers == []


def _fields(model: Any) -> dict[str, Any]:
    return {name: getattr(model, name) for name in model.__struct_fields__}


@pytest.mark.long
def test_without_a_network_the_model_is_tried_again_until_it_is_there(
    place: Place, key: Key, server: ModelServer
) -> None:
    model = server.add_model("mine")
    server.answer = lambda handler: handler.send_error(503) is None
    sensor = place.start()
    sensor.receive(key.payload(plan(model=model), 1))
    info = sensor.until(step="fetching", reason=f"{model.manifest.url} was answered with 503 Service Unavailable")
    assert info.counter == 1
    server.answer = lambda _: False
    sensor.until(step="kept")


def test_another_document_is_read_while_a_server_keeps_silent(place: Place, key: Key, server: ModelServer) -> None:
    model = server.add_model("slow")
    silent = threading.Event()
    server.answer = lambda _: not silent.wait(TIMEOUT_SECONDS)
    sensor = place.start()
    sensor.receive(key.payload(plan(model=model), 1))
    sensor.until(step="fetching", counter=1)
    sensor.receive(key.payload(Plan(name="withdrawn"), 2, rollout="1" * 16))
    sensor.until(step="kept", counter=2)
    silent.set()


@pytest.mark.long
def test_trial_that_fails_ends_while_a_server_keeps_silent(place: Place, key: Key, server: ModelServer) -> None:
    model = server.add_model("slow")
    silent = threading.Event()
    server.answer = lambda _: not silent.wait(TIMEOUT_SECONDS)
    sensor = place.start()
    sensor.within = None  # no face is there, so that the trial goes on
    sensor.receive(key.payload(margin(0.2), 1))
    sensor.until(step="switched")
    sensor.until_offers(1)
    sensor.receive(key.payload(plan(model=model), 2, rollout="1" * 16))
    sensor.until(step="fetching", counter=2)
    assert sensor.in_force.events.margin == 0.2
    sensor.within = False
    sensor.until_offers(2)
    assert not silent.is_set()
    assert (sensor.offers[1].choice, sensor.in_force.events.margin) == (None, 0.35)
    silent.set()
    sensor.within = True
    sensor.until(step="kept", counter=2)


@pytest.mark.long
def test_lost_model_is_fetched_anew(place: Place, key: Key, server: ModelServer) -> None:
    sensor = place.start()
    sensor.receive(key.payload(plan(model=server.add_model("mine")), 1))
    sensor.until(step="kept")
    sensor.end()
    (file,) = place.folder.glob("*.tflite")
    file.write_bytes(b"damaged")
    again = place.start()
    assert again.start_config.model.name == "normal"
    assert again.desired.info.step == "fetching"
    assert "is missing or damaged" in str(again.desired.info.reason)
    again.until(step="kept")
    assert again.in_force.model.name == str(file)

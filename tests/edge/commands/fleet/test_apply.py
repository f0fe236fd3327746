"""Roll-outs with the real command, ssh-keygen and broker, to devices that only answer."""

import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from edge.commands.arguments import parser
from edge.commands.fleet import link
from edge.commands.fleet.apply import apply
from edge.config.mqtt_schema import MqttConfig
from edge.config.schema import Config
from edge.desired.document import read_document, read_payload
from edge.desired.selection import Choice, is_in_share
from edge.desired.signature import Verifier
from edge.errors import BrokerError, ConfigError
from edge.messages.desired import Assignment, Plan
from edge.messages.desired_info import DesiredInfo
from support.made_up_fleet import BASE, MadeUpFleet
from support.mqtt import wait_until
from support.program import environment
from support.signed_documents import Key

NAMES = [f"shop-{number}" for number in range(20)]
NEW = Choice(settings={"events.margin": 0.2})


@pytest.fixture
def fleet(broker, key):
    fleet = MadeUpFleet(broker.port, NAMES, Verifier(str(key.signers), "fleet"))
    yield fleet
    fleet.close()


@pytest.fixture
def run(broker, key, capsys):
    """Runs the command in this process; returns the exit code and what it has printed, without the times."""

    def run_(*arguments: object, signed_by: Key | None = key) -> tuple[int, list[str]]:
        signer = [] if signed_by is None else ["--key", signed_by.private]
        words = ["fleet", "apply", "--settle", "0.5", *map(str, arguments), *map(str, signer)]
        code = apply(parser().parse_args(words), Config(mqtt=MqttConfig(url=broker.url)))
        return code, [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in capsys.readouterr().out.splitlines()]

    return run_


def documents(fleet: MadeUpFleet):
    return [read_document(read_payload(one)[0], BASE) for one in fleet.documents]


def test_good_document_goes_out_stage_by_stage_with_rising_counters(fleet, run, document) -> None:
    code, lines = run(document, "--stages", "25,100")
    assert code == 0
    first = [name for name in NAMES if is_in_share(name, "november", 25)]
    assert 0 < len(first) < 20
    assert lines[0] == "20 devices known to the broker, 20 of them there and following documents"
    assert lines[2] == "published: document 'november' with the counter 1 for 25 % of the devices"
    assert f"stage 25 %: {len(first)} devices: {len(first)} kept" in lines
    assert "stage 100 %: 20 devices: 20 kept" in lines
    assert lines[-1] == "done: document 'november' with the counter 2 holds for 100 %"
    assert [(one.counter, one.plan.percent) for one in documents(fleet)] == [(1, 25.0), (2, 100.0)]
    assert len({one.rollout for one in documents(fleet)}) == 1
    assert set(map(str, fleet.running.values())) == {str(NEW)}


def test_stage_that_fails_brings_back_what_was_before_on_all_devices(fleet, run, document, tmp_path) -> None:
    assert run(document, "--stages", "100")[0] == 0
    worse = tmp_path / "worse.json"
    worse.write_text('{"name": "worse", "assignments": [{"settings": {"events.margin": 0.9}}]}', encoding="utf-8")
    fleet.fate = lambda _, choice: "went_back" if choice != NEW else "kept"
    code, lines = run(worse, "--stages", "25,100")
    first = [name for name in NAMES if is_in_share(name, "worse", 25)]
    assert code == 1
    assert f"{first[0]} failed: went back: the reason" in lines
    assert (
        "stopped at 25 %: more than 10 % of the devices of the stage failed; all go back to what was published before"
        in lines
    )
    assert lines[-1] == "back: 20 of 20 devices run what was published before"
    last = documents(fleet)[-1]
    assert (last.plan.name, last.plan.percent, last.plan.before) == ("november", 100.0, None)
    assert set(map(str, fleet.running.values())) == {str(NEW)}
    # Outside of the stage nobody left what was before.
    outside = documents(fleet)[-2].plan
    assert (outside.name, outside.percent, outside.before.name) == ("worse", 25.0, "november")


@pytest.mark.long
@pytest.mark.parametrize("what", [b"", b"garbage"])
def test_document_that_the_broker_loses_is_published_again(fleet, run, document, what) -> None:
    fleet.fate = lambda *_: "kept" if len(fleet.documents) > 1 else "switched"
    lose = threading.Thread(target=_replace_once_there, args=(fleet, what))
    lose.start()
    code, lines = run(document, "--stages", "100")
    lose.join()
    assert code == 0
    assert "the broker does not have the document any more; it is published again" in lines
    assert lines[-1] == "done: document 'november' with the counter 1 holds for 100 %"


@pytest.mark.long
def test_document_of_somebody_else_ends_the_roll_out_and_stays(fleet, run, document, key) -> None:
    fleet.fate = lambda *_: "switched"
    other = key.payload(Plan(name="other"), 7)
    replace = threading.Thread(target=_replace_once_there, args=(fleet, other))
    replace.start()
    code, lines = run(document, "--stages", "100")
    replace.join()
    assert code == 1
    assert lines[-1] == (
        "stopped: somebody else has published the document 'other' with the counter 7; it stays, and nothing more is "
        "published"
    )
    assert fleet.documents[-1] == other


def _replace_once_there(fleet: MadeUpFleet, payload: bytes) -> None:
    """Replace the document on the broker once the fleet has it."""
    wait_until(lambda: fleet.documents)
    fleet.publish(payload)


@pytest.mark.long
def test_few_failures_do_not_stop_it(fleet, run, document) -> None:
    fleet.fate = lambda name, _: "failed" if name == NAMES[0] else "kept"
    code, lines = run(document, "--stages", "100", "--stop-at", "0.1")
    assert code == 0
    assert f"{NAMES[0]} failed: failed: the reason" in lines
    code, lines = run(document, "--stages", "100", "--stop-at", "0.01")
    assert code == 1


@pytest.mark.long
def test_device_that_is_not_done_in_time_has_failed(fleet, run, document) -> None:
    fleet.fate = lambda *_: "switched"
    code, lines = run(document, "--stages", "100", "--settle", "0.02")
    assert code == 1
    assert "stage 100 %: 20 devices: 20 switched" in lines


def test_documents_that_devices_refuse_stop_at_once(broker, run, document, tmp_path) -> None:
    other = Key.make(tmp_path, "other")
    fleet = MadeUpFleet(broker.port, NAMES[:3], Verifier(str(other.signers), "fleet"))
    try:
        code, lines = run(document, "--stages", "100")
        assert code == 1
        assert any(line.startswith("shop-0 failed: refused it: its signature is none by 'fleet'") for line in lines)
    finally:
        fleet.close()


@pytest.mark.long
def test_withdrawn_document_leaves_every_device_to_its_configuration(fleet, run, document) -> None:
    assert run(document, "--stages", "100")[0] == 0
    code, lines = run("--withdraw")
    assert code == 0
    assert "stage 100 %: 20 devices: 20 kept" in lines
    assert set(fleet.running.values()) == {None}
    code, lines = run("--status")
    assert code == 0
    assert lines[0].startswith("document 'withdrawn' with the counter 3 of 20")
    assert lines[0].endswith("for 100 % of the devices; signed")
    assert lines[1] == "shop-0: withdrawn, counter 3: kept [online]"
    assert len(lines) == 21


@pytest.mark.parametrize("end", ["kept", "went_back"])
def test_devices_that_the_broker_does_not_name_are_heard_and_watched(
    run, document, broker, key, monkeypatch, end
) -> None:
    """As on RabbitMQ, which sends nothing retained for a filter with a wildcard."""
    monkeypatch.setattr(link, "_HEAR_SECONDS", 1.0)
    fleet = MadeUpFleet(broker.port, NAMES, Verifier(str(key.signers), "fleet"), lambda *_: end, retained=False)
    ended = threading.Event()

    def publish_health() -> None:
        while not ended.wait(0.2):
            fleet.say_health()

    thread = threading.Thread(target=publish_health)
    thread.start()
    try:
        code, lines = run(document, "--stages", "25,100")
    finally:
        ended.set()
        thread.join()
        fleet.close()
    first = [name for name in NAMES if is_in_share(name, "november", 25)]
    assert lines[0] == "the broker names no device; listening for 1 s to those that publish"
    assert lines[1] == "20 devices known to the broker, 0 of them there and following documents"
    assert lines[2].startswith("nobody is watched at first")
    if end == "kept":
        assert code == 0
        assert "stage 100 %: 20 devices: 20 kept" in lines
    else:
        assert code == 1
        assert any(line.startswith("stopped at 25 %") for line in lines)
        assert {name for name in NAMES if any(line.startswith(f"{name} failed") for line in lines)} == set(first)
        assert documents(fleet)[-1].plan.name == "configuration"


@pytest.mark.long
def test_devices_that_are_away_or_follow_nothing_are_not_waited_for(run, document) -> None:
    code, lines = run(document, "--stages", "50,100")
    assert code == 0
    assert lines[1] == "0 devices known to the broker, 0 of them there and following documents"
    assert "stage 50 %: no device that is there" in lines


@pytest.mark.long
def test_counter_goes_on_where_the_broker_has_lost_the_document(fleet, run, document) -> None:
    assert run(document, "--stages", "100")[0] == 0
    fleet.publish(b"")
    code, lines = run(document, "--stages", "5,100")
    assert code == 0
    assert "published: document 'november' with the counter 3 for 5 % of the devices" in lines
    assert documents(fleet)[-2].plan.before.name == "november"


@pytest.mark.long
def test_document_that_somebody_else_has_signed_is_not_built_upon(fleet, run, document, tmp_path) -> None:
    other = Key.make(tmp_path, "other")
    foreign = other.payload(Plan(name="evil", assignments=[Assignment(settings={"events.margin": 1.0})]), 50)
    fleet.publish(foreign)
    with pytest.raises(ConfigError, match="the document that the broker keeps is not to be trusted: its signature"):
        run(document)
    with pytest.raises(ConfigError, match="where no line begins with"):
        run(document, "--signers", tmp_path / "other.signers", "--identity", "someone")
    fleet.fate = lambda *_: "went_back"
    code, lines = run(document, "--stages", "100", "--discard")
    assert (code, lines[-1]) == (1, "back: 20 of 20 devices run their own configuration")
    fleet.publish(foreign)
    fleet.fate = lambda *_: "kept"
    code, _ = run(document, "--stages", "100", "--discard")
    assert code == 0
    assert (documents(fleet)[-1].counter, documents(fleet)[-1].plan.before) == (3, None)


@pytest.mark.long
def test_colleagues_are_named_by_a_file_of_signers(run, document, subscribe, broker, tmp_path, key) -> None:
    other = Key.make(tmp_path, "other")
    both = tmp_path / "both"
    both.write_text(key.signers.read_text() + other.signers.read_text())
    subscribe(broker).publish(f"{BASE}/fleet/desired", other.payload(Plan(name="theirs"), 50), retain=True)
    code, lines = run(document, "--stages", "100", "--signers", both)
    assert code == 0
    assert "published: document 'november' with the counter 51 for 100 % of the devices" in lines


@pytest.mark.long
def test_counter_that_was_used_and_a_device_that_is_ahead_are_refused(fleet, run, document) -> None:
    assert run(document, "--stages", "100")[0] == 0
    with pytest.raises(ConfigError, match="--counter is 2, but 2 was used already: leave it out"):
        run(document, "--counter", "2")
    fleet.infos["shop-3"] = type(fleet.infos["shop-3"])(counter=77, document="x", step="kept")
    fleet.say("shop-3", "online")
    sentence = "the device shop-3 has accepted the counter 77, and the next one would be 3, which it refuses: with "
    with pytest.raises(ConfigError, match=f"^{sentence}--counter 78"):
        run(document)
    assert run(document, "--counter", "78", "--stages", "100")[0] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--key", "x"], "fleet apply needs the document"),
        (["FILE"], "fleet apply needs --key KEY"),
        (["FILE", "--key", "/missing"], "--key /missing does not exist|--key /missing has no public part"),
    ],
)
def test_what_is_missing_is_named(broker, document, words, sentence) -> None:
    words = [str(document) if word == "FILE" else word for word in words]
    with pytest.raises(ConfigError, match=sentence):
        apply(parser().parse_args(["fleet", "apply", *words]), Config(mqtt=MqttConfig(url=broker.url)))
    with pytest.raises(ConfigError, match=r"^mqtt\.url is empty: name the broker"):
        apply(parser().parse_args(["fleet", "apply", "--status"]), Config())


@pytest.mark.long
def test_broker_that_refuses_the_document_is_named(make_broker, document, key) -> None:
    rules = document.parent / "rules"
    rules.write_text("topic read #\n")
    broker = make_broker(extra=[f"acl_file {rules}"])
    broker.start()
    words = ["fleet", "apply", str(document), "--key", str(key.private)]
    with pytest.raises(BrokerError, match=f"the broker refuses messages to {BASE}/fleet/desired"):
        apply(parser().parse_args(words), Config(mqtt=MqttConfig(url=broker.url)))


@pytest.mark.long
def test_interrupt_says_what_stays_published(fleet, broker, document, key) -> None:
    fleet.fate = lambda *_: "switched"
    command = [sys.executable, "-m", "edge.cli", "fleet", "apply", document, "--key", key.private, "--mqtt", broker.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        lines: list[str] = []
        reader = threading.Thread(target=lines.extend, args=(process.stdout,), daemon=True)
        reader.start()
        wait_until(lambda: any("switched" in line for line in lines))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        reader.join(60)
    assert "left as it is: document 'november' with the counter 1 is published for 5 % of the devices" in lines[-1]
    assert len(fleet.documents) == 1


@pytest.mark.long
def test_broker_that_is_away_for_a_while_does_not_end_a_roll_out(make_broker, key, document) -> None:
    broker = make_broker(persistence=True)
    broker.start()
    fleet = MadeUpFleet(broker.port, NAMES[:4], Verifier(str(key.signers), "fleet"), lambda *_: "switched")
    words = ["fleet", "apply", str(document), "--key", str(key.private), "--stages", "100", "--settle", "1"]
    codes: list[int] = []
    arguments = parser().parse_args(words)
    config = Config(mqtt=MqttConfig(url=broker.url, reconnect_max_seconds=1.0))
    thread = threading.Thread(target=lambda: codes.append(apply(arguments, config)), daemon=True)
    thread.start()
    try:
        wait_until(lambda: fleet.documents)
        broker.stop()
        fleet.fate = lambda *_: "kept"
        time.sleep(0.3)
        broker.start()
        thread.join(60)
        assert codes == [0]
    finally:
        fleet.close()


@pytest.mark.long
def test_status_that_is_none_is_cut_off(fleet, run) -> None:
    fleet.infos["odd"] = DesiredInfo()
    fleet.say("odd", "x" * 100_000)
    assert run("--status")[1][1] == f"odd: no document, counter 0: none [{'x' * 32}]"

"""The program as a process: start, end, signals, a broker that is away, and `watch` beside it."""

import json
import re
import signal
import subprocess
from itertools import pairwise

import pytest

from support.mqtt import wait_until
from support.program import COMMAND, comparable, environment, events_of, run

SHORT = "scripted:neutral=1,happy=1.5,none=0.5?seed=5"
ENDLESS = "scripted:happy=2,surprise=2?seed=5&loop=1"
SHORT_WAITS = {"EMOTION_EDGE_MQTT_DRAIN_SECONDS": "0.5", "EMOTION_EDGE_MQTT_RECONNECT_MAX_SECONDS": "1"}


def finish(process):
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_without_a_broker_events_are_json_lines():
    events = events_of("--source", SHORT, "--fast")
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["type"], events[-1]["type"]) == ("face_appeared", "face_left")
    assert "happy" in [event["emotion"] for event in events]


@pytest.fixture
def large_budget(tmp_path):
    path = tmp_path / "large_budget.toml"
    path.write_text("[budget]\nlatency_ms = 10000\n", encoding="utf-8")
    return path


def test_script_gives_the_same_events_in_real_time_and_fast(large_budget):
    # With the default budget a busy machine would lower the level, and detect less.
    real_time = events_of("--source", SHORT, "--config", large_budget)
    assert len(real_time) >= 3
    assert comparable(events_of("--source", SHORT, "--fast")) == comparable(real_time)


def test_max_frames_ends_the_run_and_every_face_leaves():
    events = events_of("--source", ENDLESS, "--fast", "--max-frames", 30)
    assert events[-1]["type"] == "face_left"
    assert events[-1]["source_seconds"] < 3


def test_reader_of_standard_output_that_goes_away_is_no_error():
    program = subprocess.Popen(
        [*COMMAND, "run", "--fast", "--source", ENDLESS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert json.loads(program.stdout.readline())["type"] == "face_appeared"
    program.stdout.close()
    err = program.stderr.read()
    assert program.wait(60) == 0, err
    assert "Traceback" not in err


def test_end_of_the_source_publishes_stopped_and_leaves_the_retained_messages(broker, subscribe):
    subscriber = subscribe(broker)
    result = run("run", "--source", SHORT, "--fast", "--mqtt", broker.url)
    assert result.returncode == 0, result.stderr
    wait_until(lambda: subscriber.statuses[-1:] == ["stopped"])
    assert subscriber.seqs == list(range(1, len(subscriber.seqs) + 1))
    assert not any(seen.json["replayed"] for seen in subscriber.of("event"))
    late = subscribe(broker)
    wait_until(lambda: len(late.seen) >= 4)
    assert {seen.kind for seen in late.seen} == {"status", "info", "state", "health"}
    assert all(seen.retained for seen in late.seen)
    assert late.statuses == ["stopped"]


def test_sigterm_delivers_the_last_events_and_publishes_stopped(broker, subscribe, started):
    subscriber = subscribe(broker)
    process = started("run", "--source", ENDLESS, "--mqtt", broker.url)
    subscriber.wait(lambda: any(seen.kind == "event" for seen in subscriber.seen))
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process)
    assert code == 0, err
    wait_until(lambda: subscriber.statuses == ["online", "stopped"])
    events = [seen.json for seen in subscriber.of("event")]
    assert events[-1]["type"] == "face_left"
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    late = subscribe(broker)
    wait_until(lambda: late.statuses == ["stopped"])


def test_after_sigkill_the_broker_publishes_offline(broker, subscribe, started):
    subscriber = subscribe(broker)
    process = started("run", "--source", ENDLESS, "--mqtt", broker.url)
    subscriber.wait(lambda: any(seen.kind == "event" for seen in subscriber.seen))
    process.kill()
    wait_until(lambda: subscriber.statuses == ["online", "offline"])
    late = subscribe(broker)
    wait_until(lambda: late.statuses == ["offline"])
    assert late.seen[0].retained


def until_it_waits_for_the_broker(process):
    """Read the log until the source has ended and events wait for the broker."""
    for line in process.stderr:
        if "waiting for the broker" in line:
            return
    pytest.fail("the program ended while events waited")


def test_broker_that_starts_later_receives_every_event(make_broker, subscribe, started):
    broker = make_broker()
    broker.reserve()
    process = started("run", "--source", SHORT, "--fast", "--mqtt", broker.url, **SHORT_WAITS)
    until_it_waits_for_the_broker(process)
    broker.start()
    subscriber = subscribe(broker)
    code, _, err = finish(process)
    assert code == 0, err
    wait_until(lambda: subscriber.statuses[-1:] == ["stopped"])
    # The subscriber may have missed the first events; those that it received are in order.
    assert all(later == earlier + 1 for earlier, later in pairwise(subscriber.seqs))
    assert all(seen.json["replayed"] for seen in subscriber.of("event"))


def test_unacknowledged_events_are_sent_by_the_next_start(make_broker, subscribe, started):
    broker = make_broker()
    broker.reserve()
    process = started("run", "--source", SHORT, "--fast", "--mqtt", broker.url, **SHORT_WAITS)
    until_it_waits_for_the_broker(process)
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process)
    assert code == 0, err
    (kept,) = re.findall(r"(\d+) event\(s\) are not acknowledged yet; they are kept in .* for the next start", err)
    broker.start()
    subscriber = subscribe(broker)
    result = run("run", "--source", SHORT, "--fast", "--mqtt", broker.url, **SHORT_WAITS)
    assert result.returncode == 0, result.stderr
    assert f"{kept} event(s) of earlier runs wait in" in result.stderr
    wait_until(lambda: subscriber.statuses[-1:] == ["stopped"])
    events = [seen.json for seen in subscriber.of("event")]
    earlier, later = events[: int(kept)], events[int(kept) :]
    assert comparable(earlier) == [event | {"replayed": True} for event in comparable(later)]
    for boot, replayed in ((earlier, True), (later, False)):
        assert [event["seq"] for event in boot] == list(range(1, int(kept) + 1))
        assert len({event["boot_id"] for event in boot}) == 1
        assert {event["replayed"] for event in boot} == {replayed}


def test_unacknowledged_events_in_memory_alone_are_an_exit_code(make_broker, started):
    broker = make_broker()
    broker.reserve()
    memory = {"EMOTION_EDGE_MQTT_OUTBOX_DIRECTORY": "none"}
    process = started("run", "--source", SHORT, "--fast", "--mqtt", broker.url, **SHORT_WAITS, **memory)
    until_it_waits_for_the_broker(process)
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process)
    assert code == 1
    assert "not acknowledged" in err
    assert "Traceback" not in err


def test_broker_that_starts_later_and_refuses_is_one_sentence(make_broker, started):
    broker = make_broker(users={"sensor": "right"})
    broker.reserve()
    process = started("run", "--source", SHORT, "--fast", "--mqtt", broker.url, **SHORT_WAITS)
    until_it_waits_for_the_broker(process)
    broker.start()
    code, _, err = finish(process)
    assert code == 1
    assert err.splitlines()[-1].startswith("emotion-edge: ")
    assert "refuses" in err
    assert "Traceback" not in err


def test_broker_restart_loses_and_repeats_no_event(make_broker, subscribe, started):
    broker = make_broker(persistence=True)
    broker.start()
    subscriber = subscribe(broker, session=True)
    process = started("run", "--source", ENDLESS, "--mqtt", broker.url, EMOTION_EDGE_MQTT_RECONNECT_MAX_SECONDS="1")
    subscriber.wait(lambda: sum(seen.kind == "event" for seen in subscriber.seen) >= 2)
    for _ in range(5):
        broker.stop()
        # Time for a change of expression while there is no broker; a busy machine may need another turn.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2.5)
        before = len(subscriber.seqs)
        broker.start()
        subscriber.wait(lambda target=before + 2: sum(seen.kind == "event" for seen in subscriber.seen) >= target)
        if any(seen.json["replayed"] for seen in subscriber.of("event")):
            break
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process)
    assert code == 0, err
    wait_until(lambda: subscriber.statuses[-1:] == ["stopped"])
    # The broker may deliver an event twice, where it ended before the subscriber's acknowledgement arrived.
    arrived = list(dict.fromkeys(subscriber.seqs))
    assert arrived == list(range(1, len(arrived) + 1))
    # The sensor sent each once.
    publish = r"Received PUBLISH from emotion-edge-\w+ \(d\d, q1, r0, m\d+, 'emotion-edge/\w+/event'"
    assert len(re.findall(publish, broker.log())) == len(arrived)
    assert any(seen.json["replayed"] for seen in subscriber.of("event"))


def test_watch_prints_what_another_process_publishes(broker, started):
    watcher = started("watch", "--mqtt", broker.url)
    wait_until(lambda: "Sending SUBACK to emotion-edge-watch-" in broker.log())
    result = run("run", "--source", SHORT, "--fast", "--mqtt", broker.url)
    assert result.returncode == 0, result.stderr
    found = False
    for line in watcher.stdout:
        if "stopped" in line:
            break
        found = found or "happy" in line
    assert found
    watcher.send_signal(signal.SIGINT)
    code, _, err = finish(watcher)
    assert code in (0, 130), err
    assert "Traceback" not in err

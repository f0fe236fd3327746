"""Runs the checks of the OCI image and prints one line for each. scripts/test-image prepares its inputs.

python -m image.run ARCHIVE, with tests on PYTHONPATH. The container is a real one, with a read-only root and without
root, against a real mosquitto and, for the loss of a source, a network camera.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from edge.commands.demo_broker import find_program
from edge.messages.desired import Assignment, Plan
from support.broker import PrivateBroker
from support.http_camera import HttpCamera
from support.mqtt import Subscriber
from support.signed_documents import BASE, Key

from .podman import HARDENED, Container, ImageError, load, podman

USER, PASSWORD = "sensor", "made-for-this-test"
SCRIPT: Final = "scripted:happy=3,sad=3,surprise=3,none=3?seed=1&loop=1"
ASK_FOR_PAGE: Final = (
    "import http.client as c; h = c.HTTPConnection('127.0.0.1', 8377); h.request('GET', '/'); "
    "print(h.getresponse().status)"
)
_WAIT_SECONDS: Final = 120.0
"""For an idle machine a step takes some seconds; emulated, some ten times as long."""


def wait(what: str, condition: Callable[[], object], seconds: float = _WAIT_SECONDS) -> None:
    """Return once the condition is true. Raises ImageError where it is not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ImageError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.2)


class Rig:
    """The image, a broker, its subscriber, and a volume that containers share one after another."""

    def __init__(self, image: str, broker: PrivateBroker, folder: Path, factor: float) -> None:
        self.image, self.broker, self.folder, self.factor = image, broker, folder, factor
        self.subscriber = Subscriber(broker.port)
        self.volume = f"{folder.name}-state"
        self._name = folder.name

    @contextlib.contextmanager
    def running(self, *options: str, **variables: str) -> Iterator[Container]:
        """Start a container; remove it at the end, and print its log where a check fails."""
        given = {"EMOTION_EDGE_SOURCE_URI": SCRIPT, "EMOTION_EDGE_MQTT_URL": self.broker.url} | variables
        container = Container(
            f"{self._name}-sensor", self.image, given, (f"--volume={self.volume}:/var/lib/emotion-edge", *options)
        )
        try:
            yield container
        except BaseException:
            sys.stderr.write(container.log())
            raise
        finally:
            container.remove()

    def wait(self, what: str, condition: Callable[[], object]) -> None:
        """Return once the condition is true."""
        wait(what, condition, _WAIT_SECONDS * self.factor)

    def events_since(self, position: int) -> list[dict[str, object]]:
        """Return the events that have arrived since a number of messages."""
        return [seen.json for seen in self.subscriber.seen[position:] if seen.kind == "event"]

    def statuses_since(self, position: int) -> list[str]:
        """Return the statuses that have arrived since a number of messages."""
        return [seen.payload.decode() for seen in self.subscriber.seen[position:] if seen.kind == "status"]

    @property
    def position(self) -> int:
        """Number of messages so far."""
        return len(self.subscriber.seen)


def confined(rig: Rig) -> str:
    """The sensor runs without root, capabilities and new privileges, and its root cannot be written."""
    with rig.running() as container:
        wait_for_events(rig, 0)
        # The entry point is replaced by the sensor: it is the first process.
        status = dict(
            line.split(":\t", 1)
            for line in container.execute("cat", "/proc/1/status").stdout.splitlines()
            if ":\t" in line
        )
        found = {key: status[key].split()[0] for key in ("Name", "Uid", "Gid", "CapEff", "CapBnd", "NoNewPrivs")}
        right = {"Uid": "8377", "Gid": "44", "CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1"}
        expect(found | right == found, f"process 1 has {found}")
        written = container.execute("touch", "/usr/written", "/etc/emotion-edge/written")
        expect(written.stderr.count("Read-only file system") == 2, f"writing into the root: {written.stderr}")
        return f"user 8377, group video (44), no capability, no new privileges, {' '.join(HARDENED[:1])}"


def wait_for_events(rig: Rig, position: int, *kinds: str) -> list[dict[str, object]]:
    """Return the events since a position, once each of `kinds`, by default any, is among them."""
    wanted = set(kinds or ("face_appeared",))
    rig.wait(
        f"{', '.join(sorted(wanted))} arrive",
        lambda: wanted <= {str(one["type"]) for one in rig.events_since(position)},
    )
    return rig.events_since(position)


def expect(condition: object, problem: str) -> None:
    """Raise ImageError where the condition is false."""
    if not condition:
        raise ImageError(problem)


def publishes(rig: Rig) -> str:
    """Events of each kind arrive, with the password of a mounted file, and /healthz is served without the page."""
    secret = rig.folder / "password"
    secret.write_text(f"{PASSWORD}\n", encoding="utf-8")
    secret.chmod(0o644)
    since = rig.position
    mounted = f"--volume={secret}:/run/secrets/mqtt:ro"
    with rig.running(
        mounted, EMOTION_EDGE_MQTT_USERNAME=USER, EMOTION_EDGE_MQTT_PASSWORD_FILE="/run/secrets/mqtt"
    ) as container:
        events = wait_for_events(rig, since, "face_appeared", "emotion_changed", "face_left")
        rig.wait("the health check passes", container.healthy)
        answer = container.health()
        expect(answer["status"] == "ok", f"/healthz answers {answer}")
        page = container.execute("/opt/emotion-edge/current/bin/python", "-c", ASK_FOR_PAGE).stdout.strip()
        expect(page == "404", f"the page answers {page}, and it is off")
    return f"{len(events)} events, healthy ({json.dumps(answer)}), no page"


def refuses_wrong_password(rig: Rig) -> str:
    """A password by variable reaches the broker: a wrong one is refused, and ends the sensor with one sentence."""
    with rig.running(EMOTION_EDGE_MQTT_USERNAME=USER, EMOTION_EDGE_MQTT_PASSWORD=PASSWORD[:-1]) as container:
        rig.wait("it ends", lambda: container.inspect()["State"]["Status"] == "exited")
        code, said = container.inspect()["State"]["ExitCode"], container.log().strip().splitlines()[-1]
        expect(code != 0 and "refuses the connection as user" in said, f"exit code {code}: {said}")
    return f"exit code {code}: {said}"


def stops(rig: Rig) -> str:
    """SIGTERM ends it with exit code 0 and the status `stopped`."""
    since = rig.position
    with rig.running(EMOTION_EDGE_MQTT_USERNAME=USER, EMOTION_EDGE_MQTT_PASSWORD=PASSWORD) as container:
        rig.wait("online", lambda: "online" in rig.statuses_since(since))
        began = time.monotonic()
        code = container.stop()
        seconds = time.monotonic() - began
        expect(code == 0, f"exit code {code}")
        rig.wait("stopped", lambda: rig.statuses_since(since)[-1:] == ["stopped"])
    return f"exit code 0 after {seconds:.1f} s, status stopped"


def loses_the_broker(rig: Rig) -> str:
    """Without the broker it stays healthy; events wait on the volume, and a new container sends them."""
    since = rig.position
    with rig.running() as container:
        first = wait_for_events(rig, since)
        device = rig.subscriber.seen[-1].topic.split("/")[1]
        rig.broker.stop()
        rig.wait("/healthz names the broker", lambda: container.health().get("broker") != "connected")
        healthy, answer = container.healthy(), container.health()
        expect(healthy, f"/healthz is not healthy without a broker: {answer}")
        # Long enough for events that nobody has received.
        time.sleep(10 * rig.factor)
        expect(container.stop() == 0, "it does not end with 0 without a broker")
    boot = first[-1]["id"].split(":")[0]
    since = rig.position
    rig.broker.start()
    with rig.running():
        rig.wait("events of the container before", lambda: replayed(rig, since, boot))
        wait_for_events(rig, since)
        devices = {seen.topic.split("/")[1] for seen in rig.subscriber.seen[since:] if seen.kind == "event"}
        expect(devices == {device}, f"the id is {devices}, and was {device}")
        rig.wait("all of them", lambda: complete(rig, boot))
    late = len(replayed(rig, since, boot))
    return f"healthy without a broker ({json.dumps(answer)}); the next container sent {late} events of it, same id"


def replayed(rig: Rig, since: int, boot: str) -> list[dict[str, object]]:
    """Return the events of a start that arrived late since a position."""
    return [one for one in rig.events_since(since) if str(one["id"]).startswith(f"{boot}:") and one["replayed"]]


def complete(rig: Rig, boot: str) -> bool:
    """Return whether the numbers of a start's events that have arrived have no gap."""
    numbers = {int(str(one["seq"])) for one in rig.events_since(0) if str(one["id"]).startswith(f"{boot}:")}
    return numbers == set(range(1, max(numbers) + 1))


def loses_the_source(rig: Rig) -> str:
    """A network camera that is away is named by /healthz, and taken again."""
    camera = HttpCamera()
    with contextlib.closing(camera), rig.running(EMOTION_EDGE_SOURCE_URI=camera.uri) as container:
        rig.wait("healthy", lambda: container.health()["status"] == "ok")
        camera.away = True
        rig.wait("/healthz names the source", lambda: container.health()["status"] == "reconnecting")
        answer = container.health()
        expect(container.healthy(), f"/healthz is not healthy while the source is reopened: {answer}")
        camera.away = False
        rig.wait("healthy again", lambda: container.health()["status"] == "ok")
    return f"{json.dumps(answer)}, then ok again"


def hangs(rig: Rig) -> str:
    """A sensor that does nothing is unhealthy, and healthy once it goes on."""
    with rig.running() as container:
        rig.wait("healthy", container.healthy)
        container.signal("STOP")
        expect(not container.healthy(), "it is healthy while it is stopped")
        answer = container.health()["status"]
        container.signal("CONT")
        rig.wait("healthy again", container.healthy)
    return f"unhealthy ({answer}), then healthy again"


def refuses_ribbon_cameras(rig: Rig) -> str:
    """picamera: is refused with one sentence."""
    limits = ("--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000")
    volume = f"--volume={rig.volume}:/var/lib/emotion-edge"
    command = ("run", "--source", "picamera:0", "--max-frames", "1")
    done = podman("run", "--rm", *HARDENED, *limits, volume, rig.image, *command, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    said = [line for line in lines if "do not work in a container" in line]
    expect(said and done.returncode != 0, f"exit code {done.returncode}: {lines[-3:]}")
    return f"exit code {done.returncode}: {said[0]}"


def follows(rig: Rig) -> str:
    """A signed document of the fleet is followed, and a stranger's is not."""
    key, stranger = Key.make(rig.folder, "fleet"), Key.make(rig.folder, "stranger")
    key.signers.chmod(0o644)
    since = rig.position
    mounted = f"--volume={key.signers}:/etc/emotion-edge/allowed_signers:ro"
    trial = {"EMOTION_EDGE_DESIRED_WATCH_SECONDS": "5", "EMOTION_EDGE_BUDGET_LATENCY_MS": "10000"}

    def said() -> dict[str, object]:
        infos = [seen.json for seen in rig.subscriber.seen[since:] if seen.kind == "info"]
        found: dict[str, object] = (infos and infos[-1]["desired"]) or {}
        return found

    plan = Plan(name="image", assignments=[Assignment(settings={"events.margin": 0.2})])
    try:
        with rig.running(mounted, EMOTION_EDGE_DESIRED_ENABLED="true", **trial):
            rig.wait("documents are followed", lambda: said().get("step") == "none")
            rig.subscriber.publish(f"{BASE}/fleet/desired", stranger.payload(plan, 9), retain=True)
            rig.wait("a stranger's document is refused", lambda: said()["refused"] == 1)
            rig.subscriber.publish(f"{BASE}/fleet/desired", key.payload(plan, 1), retain=True)
            rig.wait("the document is kept", lambda: (said()["step"], said()["counter"]) == ("kept", 1))
    finally:
        rig.subscriber.publish(f"{BASE}/fleet/desired", b"", retain=True)
    return f"kept; refused: {said()['refused_reason']}"


CHECKS: Final[Sequence[Callable[[Rig], str]]] = (
    confined,
    publishes,
    refuses_wrong_password,
    stops,
    loses_the_broker,
    loses_the_source,
    hangs,
    follows,
    refuses_ribbon_cameras,
)


def make_users(folder: Path) -> Path:
    """Make mosquitto's file of passwords. Others than this user may connect as well, such as the subscriber."""
    program, file = find_program("mosquitto_passwd"), folder / "users"
    expect(program is not None, "mosquitto_passwd is missing: it comes with mosquitto")
    subprocess.run([str(program), "-b", "-c", str(file), USER, PASSWORD], check=True, capture_output=True)
    return file


def main(archive: Path, factor: float) -> int:
    """Run all checks; return the exit code."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="emotion-edge-image-") as scratch:
        folder = Path(scratch)
        image = load(archive)
        expect(image.startswith("localhost/emotion-edge:"), f"podman names the image {image}")
        with PrivateBroker(extra=[f"password_file {make_users(folder)}"]) as broker:
            rig = Rig(image, broker, folder, factor)
            try:
                for check in CHECKS:
                    print(_line(check, rig), flush=True)  # noqa: T201 - it prints
            except ImageError as error:
                print(f"FAIL  {check.__name__:24} {error}", flush=True)  # noqa: T201 - it prints
                return 1
            finally:
                rig.subscriber.close()
                podman("volume", "rm", "--force", rig.volume, check=False)
    print(f"All {len(CHECKS)} checks passed in {time.monotonic() - began:.0f} s")  # noqa: T201 - it prints
    return 0


def _line(check: Callable[[Rig], str], rig: Rig) -> str:
    started = time.monotonic()
    said = check(rig)
    return f"ok    {check.__name__:24} {time.monotonic() - started:4.0f} s  {said}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 1.0))

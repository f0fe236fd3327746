"""Checks a roll-out to real sensors: a good model, then broken ones, then documents that are to be refused."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from edge.messages.desired import Assignment, Plan
from support.mqtt import Certificates
from support.program import environment
from support.signed_documents import Key, ModelServer

from .ledger import settle
from .rig import Rig, ensure, nodes_of
from .sensors import Sensors
from .subscriber import PersistentSubscriber

_SENSORS: Final = 20
_TOPIC: Final = "emotion-edge/fleet/desired"
_STAGES: Final = "25,100"
_HASTY_SHARE: Final = 0.4
"""Of the time of a frame, as a budget: too little for detection, and more than one run of the model takes."""
_SETTLE_MINUTES: Final = 8
_COMMAND_SECONDS: Final = 1500.0
_REFUSED_SECONDS: Final = 120.0


class _Operator:
    """Whoever rolls out: the real command, with a key of its own."""

    def __init__(self, folder: Path, url: str, key: Key) -> None:
        self._folder = folder
        self._url = url
        self._key = key

    def apply(self, plan: dict[str, object]) -> tuple[int, str]:
        """Roll a document out in stages; returns the exit code and what was printed."""
        file = self._folder / f"{plan['name']}.json"
        file.write_text(json.dumps(plan))
        arguments = ["--stages", _STAGES, "--settle", str(_SETTLE_MINUTES), "--mqtt", self._url]
        done = subprocess.run(
            [sys.executable, "-m", "edge.cli", "fleet", "apply", file, "--key", self._key.private, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_SECONDS,
            env=environment(XDG_STATE_HOME=str(self._folder)),
        )
        return done.returncode, done.stdout + done.stderr


def rolled_out(rig: Rig) -> str:
    """20 real sensors get a good model, go back from broken ones, and refuse what nobody signed or what is old."""
    with rig.mosquitto() as broker:
        return _rolled_out(rig, [("127.0.0.1", broker.port)])


def rabbitmq_rolled_out(rig: Rig) -> str:
    """The same with a cluster of RabbitMQ, which names no device and keeps a document on one node."""
    return _rolled_out(rig, nodes_of(rig.rabbitmq()))


def _rolled_out(rig: Rig, nodes: list[tuple[str, int]]) -> str:
    folder = rig.folder()
    folder.mkdir()
    certificates = Certificates.make(folder)
    key, stranger = Key.make(folder), Key.make(folder, "stranger")
    web = folder / "web"
    web.mkdir()
    server = ModelServer(web, certificates)
    remarks = []
    try:
        with (
            PersistentSubscriber(nodes, client_id=f"observer-{folder.name}") as observer,
            Sensors(folder / "sensors", nodes, count=_SENSORS, signers=key.signers, ca=certificates.ca) as sensors,
        ):
            operator = _Operator(folder, "mqtt://{}:{}".format(*nodes[0]), key)
            remarks.append(_good(operator, server, sensors))
            remarks.append(_broken(operator, server, sensors))
            remarks.append(_over_budget(operator, server, sensors))
            remarks.append(_refused(key, stranger, sensors))
            sensors.__exit__()
            decided = sensors.decided()
            observer.wait_for(sum(decided.values()), _REFUSED_SECONDS)
            account = settle(observer.arrivals, decided)
            problem = account.problem(keeps_order=True)
            ensure(problem is None, f"events of the sensors: {problem}")
            ensure(not sum(sensors.lines("Traceback")), "a sensor has logged a traceback")
    finally:
        server.close()
    return f"{'; '.join(remarks)}; {account}"


def _good(operator: _Operator, server: ModelServer, sensors: Sensors) -> str:
    model = server.add_model("mine")
    code, said = operator.apply({"name": "good", "assignments": [{"model": _named(model)}]})
    ensure(code == 0, f"the good roll-out ended with {code}:\n{said}")
    ensure(sensors.models() == {"mine"}, f"the sensors run {sensors.models()}")
    return "a good model runs on all"


def _broken(operator: _Operator, server: ModelServer, sensors: Sensors) -> str:
    model = server.add_broken_model("broken")
    code, said = operator.apply({"name": "broken", "assignments": [{"model": _named(model)}]})
    ensure(code == 1, f"the roll-out of a broken model ended with {code}:\n{said}")
    ensure("stopped at 25 %" in said and "back: " in said, said)
    ensure(sensors.models() == {"mine"}, f"after a broken model the sensors run {sensors.models()}")
    return "a broken one stopped at 25 %"


def _over_budget(operator: _Operator, server: ModelServer, sensors: Sensors) -> str:
    # One run of the model alone is within it, so that `doctor` finds nothing; a frame with its detection is not.
    budget_ms = max(1.0, round(_HASTY_SHARE * sensors.frame_ms(), 2))
    settings = {"budget.latency_ms": budget_ms}
    model = server.add_model("hasty", tail=b"\0")
    code, said = operator.apply({"name": "hasty", "assignments": [{"settings": settings, "model": _named(model)}]})
    ensure(code == 1, f"the roll-out of a budget that nobody keeps ended with {code}:\n{said}")
    ensure("stopped at 25 %" in said and "went back" in said, said)
    ensure(sensors.models() == {"mine"}, f"after going back the sensors run {sensors.models()}")
    budgets = {info["budget_latency_ms"] for info in sensors.infos().values()}
    ensure(budgets == {10_000}, f"the budgets afterwards: {budgets}")
    return f"a budget of {budget_ms} ms for each frame went back and stopped at 25 %"


def _refused(key: Key, stranger: Key, sensors: Sensors) -> str:
    subscriber = sensors.subscriber
    refused = {name: info["desired"]["refused"] for name, info in sensors.infos().items()}
    ensure(set(refused.values()) == {0}, f"documents were refused before: {refused}")
    plan = Plan(name="theirs", assignments=[Assignment(settings={"events.margin": 0.9})])
    for counter, signer in ((10_000, stranger), (1, key)):
        payload = signer.payload(plan, counter)
        for _ in range(2):
            subscriber.publish(_TOPIC, payload, retain=True)
    sensors.wait(_REFUSED_SECONDS, refused=2)
    lines = list(sensors.lines("of the fleet refused"))
    ensure(set(lines) == {2}, f"lines of the refusals: {lines}")
    ensure(sensors.models() == {"mine"}, f"after refused documents the sensors run {sensors.models()}")
    return "one by a stranger and an old one are refused by all, and said once each"


def _named(model: object) -> dict[str, object]:
    named: dict[str, object] = msgspec.to_builtins(model)
    return named

"""Checks that the installed service follows a signed document of the fleet, and nobody else's."""

import tempfile
from pathlib import Path
from typing import Any, Final

from edge.messages.desired import Assignment, DesiredModel, Plan
from support.mqtt import Certificates
from support.signed_documents import Key, ModelServer

from .rig import CONFIG, UNIT, Rig, ensure

_TOPIC: Final = "emotion-edge/fleet/desired"
_FOLDER: Final = "/etc/emotion-edge"
_STATE: Final = "/var/lib/private/emotion-edge"
_BUDGET_MS: Final = 10_000.0
"""An emulated processor keeps no other."""
_TABLE: Final = f"""
[desired]
enabled = true
allowed_signers = "{_FOLDER}/allowed_signers"
ca_file = "{_FOLDER}/models-ca.pem"
watch_seconds = 30
"""


def follows(rig: Rig) -> str:
    """The service fetches, checks, tries and keeps a model that a signed document names, and refuses a stranger's."""
    before = rig.device.run_checked(f"cat {CONFIG}")
    with tempfile.TemporaryDirectory(prefix="emotion-edge-fleet-") as name:
        folder = Path(name)
        certificates = Certificates.make(folder, rig.device.host)
        key, stranger = Key.make(folder), Key.make(folder, "stranger")
        web = folder / "web"
        web.mkdir()
        server = ModelServer(web, certificates, rig.device.host)
        try:
            _enable(rig, key, certificates)
            remark = _follow(rig, server, key, stranger)
        finally:
            server.close()
            rig.observer.publish(_TOPIC, b"", retain=True)
    position = rig.observer.position
    rig.device.run_checked(f"cat >{CONFIG} <<'END'\n{before}\nEND")
    rig.device.run_checked(f"systemctl restart {UNIT}", 180)
    rig.wait_for_health(position, "ok")
    return remark


def _enable(rig: Rig, key: Key, certificates: Certificates) -> None:
    device = rig.device
    if device.run("command -v ssh-keygen").returncode:
        device.run_checked("DEBIAN_FRONTEND=noninteractive apt-get -qq -y install openssh-client 2>&1", 300)
    device.run_checked(
        f"echo '{key.signers.read_text(encoding='ascii').strip()}' >{_FOLDER}/allowed_signers; "
        f"echo '{certificates.ca.read_text(encoding='ascii').strip()}' >{_FOLDER}/models-ca.pem; "
        f"echo '{_TABLE}' >>{CONFIG}"
    )
    position = rig.observer.position
    device.run_checked(f"systemctl restart {UNIT}", 180)
    device.wait("info says that documents are followed", 60, lambda: _desired(rig, position).get("step") == "none")
    output = device.run_checked("emotion-edge service check 2>&1", 600)
    ensure("ok    desired" in output, output)


def _follow(rig: Rig, server: ModelServer, key: Key, stranger: Key) -> str:
    device, observer = rig.device, rig.observer
    model = server.add_model("fleet-model")
    observer.publish(_TOPIC, key.payload(_plan("new", model), 1), retain=True)
    took = _wait_for(rig, "kept", 1)
    ensure(_model(rig) == model.sha256, f"the model of info is {_model(rig)}, of the document {model.sha256}")
    files = device.run_checked(f"find {_STATE} -name '*.tflite'").splitlines()
    ensure(len(files) == 1, f"models in {_STATE}: {files}")

    broken = server.add_broken_model("broken")
    observer.publish(_TOPIC, key.payload(_plan("broken", broken), 2, rollout="1" * 16), retain=True)
    _wait_for(rig, "failed", 2)
    reason = _desired(rig)["reason"]
    ensure(reason.startswith("doctor, check model: "), f"the broken model failed because {reason}")
    observer.publish(_TOPIC, stranger.payload(Plan(name="theirs"), 3), retain=True)
    device.wait("a stranger's document is refused", 120, lambda: _desired(rig)["refused"] == 1)
    ensure(_model(rig) == model.sha256, "another model runs after documents that cannot be used")

    position = observer.position
    device.run_checked(f"systemctl restart {UNIT}", 180)
    device.wait("info of the new start", 120, lambda: observer.last("info", position))
    ensure(_model(rig) == model.sha256, "the start has forgotten the model")
    observer.publish(_TOPIC, key.payload(Plan(name="withdrawn"), 3, rollout="2" * 16), retain=True)
    _wait_for(rig, "kept", 3)
    device.wait("the model of before runs", 120, lambda: _model(rig) != model.sha256)
    ensure(not device.run_checked(f"find {_STATE} -name '*.tflite'"), "a model that nobody wants is kept")
    return f"kept after {took:.0f} s of which 30 s are the trial; {reason}"


def _plan(name: str, model: DesiredModel) -> Plan:
    return Plan(name=name, assignments=[Assignment(settings={"budget.latency_ms": _BUDGET_MS}, model=model)])


def _wait_for(rig: Rig, step: str, counter: int) -> float:
    def said() -> bool:
        found = _desired(rig)
        return (found["step"], found["counter"]) == (step, counter)

    return rig.device.wait(f"the document {counter} is at the step {step}: {_desired(rig)}", 300, said)


def _desired(rig: Rig, since: int = 0) -> dict[str, Any]:
    info = rig.observer.last("info", since)
    found: dict[str, Any] = (info and info["desired"]) or {}
    return found


def _model(rig: Rig) -> str:
    return str(rig.observer.last("info", 0)["model"]["sha256"])

"""Measures what `emotion-edge fleet` costs with many devices: time, processor time and memory.

Publishes the retained messages of the devices, with the payloads of docs/mqtt.md, on a mosquitto of its own, and runs
the command as often as is asked for, without a terminal.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edge.commands.demo_broker import PrivateBroker
from edge.messages.asyncapi.__main__ import PAGE, read_examples
from edge.messages.payload_builder import timestamp
from edge.messages.topics import ONLINE, Topics

WAIT_EVERY = 500
"""Messages after which the broker's acknowledgement is waited for."""
ACKNOWLEDGE_SECONDS = 60.0


def publish(port: int, devices: int) -> int:
    """Publish what `devices` devices retain; return how many bytes of payload."""
    examples = read_examples(PAGE.read_text(encoding="utf-8"))
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    now = timestamp(time.time())
    sent = messages = 0
    for number in range(devices):
        topics = Topics("emotion-edge", f"device-{number:05}")
        payloads: dict[str, Any] = {kind: examples[kind][0] for kind in ("info", "health", "state")}
        payloads["info"] |= {"device": topics.device}
        payloads["health"] |= {"time": now}
        contents = {topics.status: ONLINE, **{topics.of(kind): json.dumps(payloads[kind]) for kind in payloads}}  # type: ignore[arg-type]
        for topic, content in contents.items():
            message = client.publish(topic, content, 1, retain=True)
            sent, messages = sent + len(content), messages + 1
            if messages % WAIT_EVERY == 0:
                message.wait_for_publish(ACKNOWLEDGE_SECONDS)
    message.wait_for_publish(ACKNOWLEDGE_SECONDS)
    client.disconnect()
    client.loop_stop()
    return sent


def main() -> None:
    """Measure, and print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--devices", type=int, default=5000, metavar="N", help="devices (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="runs (default: %(default)s)")
    arguments = parser.parse_args()
    with PrivateBroker() as broker:
        sent = publish(broker.port, arguments.devices)
        print(f"{arguments.devices} devices, {4 * arguments.devices} messages, {sent / 1e6:.1f} MB of payload")
        for _ in range(arguments.runs):
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            ran = subprocess.run(  # noqa: S603 - this project's own command
                [sys.executable, "-m", "edge.cli", "fleet", "--mqtt", broker.url],
                stdout=subprocess.PIPE,
                text=True,
                check=False,
                env=os.environ,
            )
            seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
            processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(f"{seconds:.1f} s, {processor:.1f} s of processor time, {after.ru_maxrss / 1024:.0f} MiB at most")
            print(f"  exit code {ran.returncode}; {ran.stdout.splitlines()[-1]}")


if __name__ == "__main__":
    main()

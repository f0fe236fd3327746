"""Chromium, and the setting for browser tests of the page: a broker, a subscriber, the real program, that browser.

A test file that imports this one is skipped where there is no Chromium or no playwright.
"""

import contextlib
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.broker import PrivateBroker
from support.mqtt import Subscriber, wait_until
from support.program import COMMAND, environment

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("Chromium is not installed: apt-get install chromium", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: `make test` installs it")

PARTS = ("neutral", "happy", "surprise", "sad")
SCRIPT = f"scripted:{','.join(f'{part}=1.2' for part in PARTS)},none=1.5?seed=1&loop=1"
CONFIG = '[source]\nflip = "horizontal"\n'
"""Mirrored, so that areas that are drawn on the page are written for another picture than the one on the page."""
TIMEOUT_MS = 150_000
CHROMIUM_OPTIONS = (
    "--no-sandbox",  # with a sandbox it refuses to run as root; it opens only our own page
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIZES = {"desktop": (1280, 900), "phone": (390, 844), "test": (1000, 600)}


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Start Chromium, and end it."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_OPTIONS))
        yield browser
        browser.close()


def click_corners(page: Any, corners: Sequence[tuple[float, float]], click: Callable[[float, float], None]) -> None:
    """Set corners, in shares of the live picture, with the mouse (`page.mouse.click`) or a finger."""
    box = page.locator("#drawing").bounding_box()
    for x, y in corners:
        click(box["x"] + x * box["width"], box["y"] + y * box["height"])


class Scene:
    """A broker, a subscriber, the program with its preview page, and that page in a browser."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.broker = stack.enter_context(PrivateBroker())
        self.subscriber = Subscriber(self.broker.port)
        stack.callback(self.subscriber.close)
        settings = {
            "PREVIEW_PORT": "0",
            "PREVIEW_FPS": "5",
            "HEALTH_INTERVAL_SECONDS": "1",
            "BUDGET_LATENCY_MS": "10000",
            # Labels follow the short parts of the script.
            "EVENTS_DWELL_SECONDS": "0.3",
            "MQTT_RECONNECT_MAX_SECONDS": "1",
        }
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG, encoding="utf-8")
        self._err = folder / "err"
        with self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [
                    *COMMAND,
                    "run",
                    "--preview",
                    "--config",
                    str(self.config),
                    "--mqtt",
                    self.broker.url,
                    "--source",
                    SCRIPT,
                ],
                stderr=err,
                env=environment(
                    XDG_STATE_HOME=str(folder),
                    EMOTION_EDGE_DEVICE_ID="cam",
                    **{f"EMOTION_EDGE_{name}": value for name, value in settings.items()},
                ),
            )
        stack.callback(self.process.wait, 60)
        stack.callback(self.process.terminate)
        wait_until(lambda: self.process.poll() is not None or "sensor started" in self.err)
        self.url = re.search(r"http://\S+/", self.err)[0]
        self.browser = stack.enter_context(chromium())
        self.console_errors: list[str] = []
        self.page = self.open()

    @property
    def err(self):
        return self._err.read_text(encoding="utf-8")

    def reload(self, text):
        """Let the program load its configuration with this text at the end, and wait until it is in force."""
        before = self.err.count("configuration reloaded")
        self.config.write_text(CONFIG + text, encoding="utf-8")
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.err.count("configuration reloaded") > before or "refused" in self.err)
        assert "refused" not in self.err

    def open(self, size="test", scheme="light", **context_options):
        width, height = SIZES[size]
        # Animated boxes are drawn at the screen's rate, which costs more than everything else here.
        motion = "reduce" if size == "test" else "no-preference"
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion=motion, **context_options
        )
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        page.on(
            "console", lambda message: message.type in {"error", "warning"} and self.console_errors.append(message.text)
        )
        page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        page.goto(self.url)
        return page

    def poll(self, look, enough):
        """Call `look` until `enough` accepts the list of its results; returns that list."""
        seen = []
        deadline = time.monotonic() + TIMEOUT_MS / 1000
        while not enough(seen):
            assert time.monotonic() < deadline, seen[-20:]
            seen.append(look())
            self.page.wait_for_timeout(150)
        return seen

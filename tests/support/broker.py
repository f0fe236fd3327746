"""A private mosquitto with everything that tests need: users, TLS, persistence, further settings."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.commands import demo_broker
from edge.errors import BrokerError
from support.held_port import HeldPort


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of a TLS listener. With `client_ca` it requires a client certificate signed by that authority."""

    cert: Path
    key: Path
    client_ca: Path | None = None


class PrivateBroker(demo_broker.PrivateBroker):
    """The product's private broker with more settings.

    `users`: passwords by name; without any, anonymous clients may connect. `persistence`: sessions and retained
    messages survive `stop` and `start`. `extra`: further lines of its configuration. The port is held from `reserve` or
    the first start until the end, so that no other program gets it while the broker is away.
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        tls: TlsFiles | None = None,
        persistence: bool = False,
        extra: Sequence[str] = (),
        retry_seconds: float = demo_broker.RETRY_SECONDS,
    ) -> None:
        super().__init__(retry_seconds=retry_seconds)
        self.users = dict(users or {})
        self.tls = tls
        self.persistence = persistence
        self.extra = tuple(extra)
        self._held: HeldPort | None = None

    @property
    def url(self) -> str:
        """Value for `mqtt.url`. With TLS the certificate must be for 127.0.0.1."""
        return super().url.replace("mqtt://", "mqtts://") if self.tls else super().url

    def reserve(self) -> None:
        """Choose the port without starting, for a client that starts before its broker."""
        if self._held is None:
            self._held = HeldPort()
            self.port = self._held.number

    def start(self) -> None:
        self.reserve()
        super().start()

    def __exit__(self, *details: object) -> None:
        super().__exit__(*details)
        if self._held is not None:
            self._held.release()

    def config_lines(self, folder: Path, port: int) -> list[str]:
        lines = super().config_lines(folder, port)
        if self.persistence:
            lines.append("persistence true")
        if self.users:
            lines += ["allow_anonymous false", f"password_file {self._password_file(folder)}"]
        if self.tls is not None:
            lines += [f"certfile {self.tls.cert}", f"keyfile {self.tls.key}"]
            if self.tls.client_ca is not None:
                lines += [f"cafile {self.tls.client_ca}", "require_certificate true"]
        return [*lines, *self.extra]

    def _password_file(self, folder: Path) -> Path:
        file = folder / "passwords"
        if not file.exists():
            program = demo_broker.find_program("mosquitto_passwd")
            if program is None:
                msg = "mosquitto_passwd is not installed: it comes with mosquitto"
                raise BrokerError(msg)
            file.touch(mode=0o600)
            file.write_text("".join(f"{user}:{password}\n" for user, password in self.users.items()))
            # -U hashes the passwords of a file, so that none appears in a process list.
            subprocess.run([program, "-U", str(file)], check=True, capture_output=True)
        return file

"""Signs and verifies documents with ssh-keygen, of OpenSSH 8.1 or later. No cryptography of our own."""

import contextlib
import fnmatch
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from edge.desired.errors import RefusedError
from edge.errors import ConfigError

NAMESPACE: Final = "emotion-edge-desired"
"""What the signatures are for: one that was made for git or for a file is none for a document."""
PROGRAM: Final = "ssh-keygen"
_NO_USER: Final = "No user exists for uid"
"""What ssh-keygen says, and ends, where no name belongs to its user: DynamicUser= without nss-systemd, a container."""
_VERIFY_SECONDS: Final = 20.0
"""Time limit of a verification, which takes milliseconds; a board that swaps may take seconds."""
_SIGN_SECONDS: Final = 300.0
"""Time limit of a signature: a person may have to type a passphrase or touch a key."""


def find_program() -> str:
    """Return the path of ssh-keygen. Raises ConfigError where it is not installed."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise ConfigError(
            f"{PROGRAM} is not installed, which verifies the fleet's documents: type `sudo apt install openssh-client`"
        )
    return found


def check_signers(file: str, identity: str, key: str = "desired.allowed_signers") -> None:
    """Raise ConfigError where the file of the allowed signers cannot be read or names no key of `identity`.

    `key`: that names the file.
    """
    try:
        lines = Path(file).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ConfigError(
            f"{key} is {file!r}, which cannot be read ({error.strerror}): it must be a file that the user of the "
            "sensor can read, with a line for each key that may sign"
        ) from None
    if not any(line.strip() and not line.lstrip().startswith("#") for line in lines):
        raise ConfigError(f"{key} is {file!r}, which names no key: write a line such as `fleet ssh-ed25519 AAAA...`")
    if not any(_names(line, identity) for line in lines):
        raise ConfigError(
            f"{key} is {file!r}, where no line begins with {identity!r}: write one such as `{identity} ssh-ed25519 "
            "AAAA...`"
        )


def _names(line: str, identity: str) -> bool:
    """Return whether a line of allowed signers may be about a name: it begins with patterns between commas."""
    words = line.split(None, 1)
    patterns = words[0].strip('"').split(",") if len(words) > 1 else []
    return any(fnmatch.fnmatchcase(identity, pattern) for pattern in patterns)


class Verifier:
    """Verifies signatures by the keys that a file allows for one identity. `key`: option or key that names the file."""

    def __init__(
        self,
        allowed_signers: str,
        identity: str,
        timeout_seconds: float = _VERIFY_SECONDS,
        key: str = "desired.allowed_signers",
    ) -> None:
        self._signers, self._identity = allowed_signers, identity
        self._timeout_seconds, self._key = timeout_seconds, key

    def verify(self, content: bytes, signature: str) -> None:
        """Raise RefusedError unless the signature is one of the content by an allowed key.

        Raises ConfigError where that cannot be found out: the program or the file of the signers is missing.
        """
        program = find_program()
        check_signers(self._signers, self._identity, self._key)
        command = [program, "-Y", "verify", "-f", self._signers, "-I", self._identity, "-n", NAMESPACE]
        try:
            with tempfile.NamedTemporaryFile("w", prefix="emotion-edge-", suffix=".sig", encoding="utf-8") as file:
                file.write(signature)
                file.flush()
                ran = subprocess.run(  # noqa: S603 - a program of the system, with arguments of the configuration
                    [*command, "-s", file.name],
                    input=content,
                    capture_output=True,
                    timeout=self._timeout_seconds,
                    check=False,
                    env=_environment(),
                )
        except subprocess.TimeoutExpired:
            raise RefusedError(f"{PROGRAM} did not verify it within {self._timeout_seconds:g} s") from None
        except OSError as error:
            raise ConfigError(
                f"{PROGRAM} cannot be run now ({error.strerror}): it needs memory and a folder /tmp"
            ) from None
        if ran.returncode != 0:
            said = _last_line(ran.stdout + ran.stderr)
            if said.startswith(_NO_USER):
                raise ConfigError(
                    f"{PROGRAM} does not run for a user without a name ({said}): install libnss-systemd, or add the "
                    "user to /etc/passwd"
                )
            raise RefusedError(f"its signature is none by {self._identity!r} in {self._signers} ({said})")


def try_verification(allowed_signers: str, identity: str) -> None:
    """Raise ConfigError where no signature could be verified here, by whatever key it were."""
    with contextlib.suppress(RefusedError):
        Verifier(allowed_signers, identity).verify(b"", "")


def sign(content: bytes, key: Path) -> str:
    """Return the armoured signature of a content. `key`: a private key, or a public one whose private one an agent has.

    A passphrase is asked for at the terminal. Raises ConfigError where the key cannot sign.
    """
    if not os.path.isfile(key):  # noqa: PTH113 - Path.is_file may raise
        raise ConfigError(f"--key {key} does not exist: name a private key, or a public one whose key an agent holds")
    command = [find_program(), "-Y", "sign", "-f", str(key), "-n", NAMESPACE]
    with tempfile.TemporaryDirectory(prefix="emotion-edge-") as folder:
        # From a file and not from standard input, so that a passphrase can be typed there.
        document = Path(folder) / "document"
        document.write_bytes(content)
        try:
            ran = subprocess.run(  # noqa: S603 - a program of the system, with a file that the operator named
                [*command, str(document)], stderr=subprocess.PIPE, timeout=_SIGN_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise ConfigError(f"--key {key} did not sign within {_SIGN_SECONDS:g} s") from None
        written = document.with_suffix(".sig")
        if ran.returncode != 0 or not written.exists():
            raise ConfigError(f"--key {key} cannot sign ({_last_line(ran.stderr)}): it must be a key of ssh-keygen")
        return written.read_text(encoding="ascii")


def public_key(key: Path) -> str:
    """Return the public part of a key, as a line of a file of allowed signers has it. Raises ConfigError.

    `key`: as for `sign`.
    """
    for file in (key, Path(f"{key}.pub")):
        try:
            words = file.read_text(encoding="utf-8", errors="replace").split()
        except OSError:
            continue
        if len(words) > 1 and words[0].startswith(("ssh-", "ecdsa-", "sk-")):
            return f"{words[0]} {words[1]}"
    raise ConfigError(f"--key {key} has no public part beside it: {key}.pub must be there, as ssh-keygen writes it")


def _environment() -> dict[str, str]:
    """Return the environment with messages in English and without an agent: a verification asks nobody."""
    return {**{name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}, "LC_ALL": "C"}


def _last_line(said: bytes) -> str:
    """Return the last line that the program has said, for a sentence."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "it said nothing"

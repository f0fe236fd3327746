"""Signatures of documents, with the real ssh-keygen."""

import os
import subprocess
from pathlib import Path

import pytest

from edge.desired.errors import RefusedError
from edge.desired.signature import Verifier, check_signers, find_program, public_key, sign
from edge.errors import ConfigError
from support.signed_documents import Key

CONTENT = b'{"counter":1}'


@pytest.fixture
def verifier(key: Key) -> Verifier:
    return Verifier(str(key.signers), "fleet")


def test_what_an_allowed_key_has_signed_is_accepted_and_every_changed_byte_refused(
    key: Key, verifier: Verifier
) -> None:
    signature = sign(CONTENT, key.private)
    verifier.verify(CONTENT, signature)
    for place in (0, 5, len(CONTENT) - 1):
        changed = bytearray(CONTENT)
        changed[place] ^= 1
        with pytest.raises(RefusedError, match=r"its signature is none by 'fleet' in .*key\.signers"):
            verifier.verify(bytes(changed), signature)
    with pytest.raises(RefusedError):
        verifier.verify(CONTENT + b" ", signature)


@pytest.mark.parametrize(
    "signature", ["", "none", "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"]
)
def test_what_is_no_signature_is_refused(verifier: Verifier, signature: str) -> None:
    with pytest.raises(RefusedError, match="its signature is none by"):
        verifier.verify(CONTENT, signature)


def test_other_keys_names_and_purposes_are_refused(key: Key, verifier: Verifier, tmp_path: Path) -> None:
    other = Key.make(tmp_path, "other")
    with pytest.raises(RefusedError):
        verifier.verify(CONTENT, sign(CONTENT, other.private))
    with pytest.raises(ConfigError, match="where no line begins with 'someone'"):
        Verifier(str(key.signers), "someone").verify(CONTENT, sign(CONTENT, key.private))
    file = tmp_path / "document"
    file.write_bytes(CONTENT)
    subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-f", key.private, "-n", "git", file], check=True, capture_output=True
    )
    with pytest.raises(RefusedError):
        verifier.verify(CONTENT, (tmp_path / "document.sig").read_text())


def test_while_keys_change_both_may_sign_and_afterwards_the_new_one_alone(key: Key, tmp_path: Path) -> None:
    new = Key.make(tmp_path, "new")
    both = tmp_path / "both"
    both.write_text(key.signers.read_text() + "# the key of 2027\n" + new.signers.read_text())
    old_signature, new_signature = sign(CONTENT, key.private), sign(CONTENT, new.private)
    for signature in (old_signature, new_signature):
        Verifier(str(both), "fleet").verify(CONTENT, signature)
    Verifier(str(new.signers), "fleet").verify(CONTENT, new_signature)
    with pytest.raises(RefusedError):
        Verifier(str(new.signers), "fleet").verify(CONTENT, old_signature)


def test_agent_signs_for_a_public_key(key: Key, verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    started = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    values = dict(one.split("=", 1) for one in started.replace("\n", "").split(";") if "=" in one)
    monkeypatch.setenv("SSH_AUTH_SOCK", values["SSH_AUTH_SOCK"])
    try:
        subprocess.run(["ssh-add", "-q", key.private], check=True)
        verifier.verify(CONTENT, sign(CONTENT, Path(f"{key.private}.pub")))
    finally:
        subprocess.run(["kill", values["SSH_AGENT_PID"]], check=True)


def test_key_that_cannot_sign_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--key .*missing does not exist: name a private key"):
        sign(CONTENT, tmp_path / "missing")
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("no key")
    nonsense.chmod(0o600)
    with pytest.raises(ConfigError, match=r"^--key .*nonsense cannot sign \(.*\): it must be a key"):
        sign(CONTENT, nonsense)
    with pytest.raises(ConfigError, match="has no public part beside it"):
        public_key(nonsense)


def test_missing_program_and_missing_signers_are_one_sentence_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        ConfigError, match=r"^desired\.allowed_signers is '.*none', which cannot be read \(No such file"
    ):
        check_signers(str(tmp_path / "none"), "fleet")
    empty = tmp_path / "empty"
    empty.write_text("\n# fleet ssh-ed25519 AAAA\n")
    with pytest.raises(ConfigError, match="which names no key: write a line such as"):
        check_signers(str(empty), "fleet")
    public = tmp_path / "key.pub"
    public.write_text("ssh-ed25519 AAAA fleet\n")
    with pytest.raises(ConfigError, match=r"^--signers is '.*key\.pub', where no line begins with 'fleet'"):
        check_signers(str(public), "fleet", "--signers")
    for line in ("fleet ssh-ed25519 AAAA", 'other,fl* namespaces="x" ssh-ed25519 AAAA', '"fleet" ssh-ed25519 AAAA'):
        public.write_text(f"{line}\n")
        check_signers(str(public), "fleet")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"^ssh-keygen is not installed.*apt install openssh-client"):
        find_program()
    with pytest.raises(ConfigError, match="ssh-keygen is not installed"):
        Verifier(str(empty), "fleet").verify(CONTENT, "")


def test_verification_that_hangs_is_given_up(key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "ssh-keygen"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(RefusedError, match=r"did not verify it within 0\.2 s"):
        Verifier(str(key.signers), "fleet", timeout_seconds=0.2).verify(CONTENT, "")


def test_the_line_of_the_documentation_allows_documents_alone(key: Key, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "desired.md").read_text(encoding="utf-8")
    (command,) = [line for line in page.splitlines() if line.startswith("(printf")]
    (tmp_path / "fleet-key.pub").write_text(Path(f"{key.private}.pub").read_text())
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    verifier = Verifier(str(tmp_path / "allowed_signers"), "fleet")
    verifier.verify(CONTENT, sign(CONTENT, key.private))
    with pytest.raises(RefusedError):
        verifier.verify(b"other", sign(CONTENT, key.private))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_user_without_a_name_is_no_fault_of_the_document(
    key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with DynamicUser= where nss-systemd is missing."""
    nameless = tmp_path / "ssh-keygen"
    nameless.write_text(f'#!/bin/sh\nexec setpriv --reuid=54321 {find_program()} "$@"\n')
    nameless.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ConfigError, match=r"^ssh-keygen does not run for a user without a name \(No user exists"):
        Verifier(str(key.signers), "fleet").verify(CONTENT, "")

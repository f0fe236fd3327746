"""Makes the documents of a roll-out: counters, signatures, and what is in force before."""

import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from edge.commands.fleet.ledger import Entry, Ledger
from edge.commands.fleet.progress import Published
from edge.desired.document import payload_sha256, plans_of, read_document, read_payload
from edge.desired.signature import Verifier, public_key, sign
from edge.errors import ConfigError
from edge.messages.desired import MAX_COUNTER, MAX_PAYLOAD_BYTES, DesiredDocument, DesiredPayload, Plan
from edge.messages.payload_builder import timestamp
from edge.messages.payloads import encode

_MOST_PLANS: Final = 8
"""Plans behind each other that devices read (`edge.desired.document`)."""


Verify = Callable[[bytes, str], None]
"""Verifies a signature of a content. Raises RefusedError."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A document that is ready to be published."""

    document: str
    payload: bytes
    published: Published


def read_retained(payload: bytes, base: str, verify: Verify) -> DesiredDocument:
    """Return the document that the broker keeps. Raises RefusedError where a device would not follow it either."""
    content, signature = read_payload(payload)
    verify(content, signature)
    return read_document(content, base)


def verifier(key: Path | None, signers: Path | None, identity: str) -> Verify:
    """Return what verifies signatures: by a file of signers, else by the public part of `key` alone.

    Raises ConfigError where there is neither.
    """
    if signers is not None:
        return Verifier(str(signers), identity, key="--signers").verify
    if key is None:
        raise ConfigError("--key or --signers must name who may have signed the document that is there")
    line = f"{identity} {public_key(key)}\n"

    def verify(content: bytes, signature: str) -> None:
        with tempfile.NamedTemporaryFile("w", prefix="emotion-edge-", encoding="ascii") as file:
            file.write(line)
            file.flush()
            Verifier(file.name, identity).verify(content, signature)

    return verify


def plan_before(document: DesiredDocument | None) -> Plan | None:
    """Return what devices outside of a stage go on with; None for their own configuration."""
    plan = None if document is None else simplified(document.plan)
    return None if plan is not None and not plan.assignments and plan.before is None else plan


def simplified(plan: Plan) -> Plan:
    """Return a plan without what it holds for nobody any more."""
    if plan.before is None:
        return plan
    complete = plan.percent >= 100  # noqa: PLR2004 - percent
    return msgspec.structs.replace(plan, before=None if complete else simplified(plan.before))


class Signer:
    """Signs the documents of one roll-out with a key, with rising counters from `counter` on."""

    def __init__(self, base: str, key: Path, counter: int, ledger: Ledger) -> None:
        self.base, self._key, self._ledger = base, key, ledger
        self._counter = counter
        self._now = timestamp(time.time())

    def stages(self, plan: Plan, percents: Sequence[float], before: Plan | None) -> list[Signed]:
        """Sign a document for each stage, with which `before` holds for the devices outside."""
        rollout = secrets.token_hex(8)
        signed = []
        for percent in percents:
            behind = before if percent < 100 else None  # noqa: PLR2004 - percent
            signed.append(
                self._sign(rollout, simplified(msgspec.structs.replace(plan, percent=percent, before=behind)), before)
            )
        return signed

    def way_back(self, before: Plan | None, plan: Plan) -> Signed:
        """Sign a document of what was before `plan`, for all devices. It is for the case that a stage fails."""
        return self._sign(secrets.token_hex(8), before or Plan(name="configuration"), plan)

    def _sign(self, rollout: str, plan: Plan, previous: Plan | None) -> Signed:
        if plans_of(plan) > _MOST_PLANS:
            raise ConfigError(
                f"{_MOST_PLANS} roll-outs that were stopped on the way lie behind each other: publish one of them for "
                "100 percent first"
            )
        document = DesiredDocument(base=self.base, counter=self._counter, time=self._now, rollout=rollout, plan=plan)
        content = msgspec.json.encode(document)
        payload = encode(DesiredPayload(document=content.decode(), signature=sign(content, self._key)))
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise ConfigError(
                f"the document has {len(payload)} bytes with its signature and what was before, and devices read at "
                f"most {MAX_PAYLOAD_BYTES}: name fewer devices, or patterns of them"
            )
        published = Published(plan, self._counter, payload_sha256(payload), previous)
        self._counter += 1
        return Signed(content.decode(), payload, published)

    def note(self, signed: Signed, *, reserved: int) -> None:
        """Remember what is about to be published. `reserved`: the highest counter that was signed."""
        self._ledger.write(Entry(base=self.base, counter=reserved, document=signed.document))


def next_counter(known: Sequence[int], wanted: int | None) -> int:
    """Return the counter of the first document to sign. Raises ConfigError where `wanted` is not above all known."""
    highest = max(known, default=0)
    if wanted is not None and wanted <= highest:
        raise ConfigError(f"--counter is {wanted}, but {highest} was used already: leave it out, or name a higher one")
    counter = highest + 1 if wanted is None else wanted
    if counter >= MAX_COUNTER - _MOST_PLANS:
        raise ConfigError(f"the counter would be {counter}, beyond what devices read: see docs/desired.md")
    return counter

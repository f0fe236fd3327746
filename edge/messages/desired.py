"""Defines the payload of `<base>/fleet/desired`, and the document in it that says what devices should run.

The payload carries the exact bytes that were signed, as text, so that no re-encoding can break the signature.
"""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from edge.messages.payloads import SCHEMA_VERSION, Payload, Timestamp

MAX_PAYLOAD_BYTES: Final = 60_000
"""Longest payload that is looked at: the sensor tells its broker to send at most 65,536 bytes (`edge.mqtt.sink`)."""
MAX_COUNTER: Final = 2**53
"""Largest counter: the largest whole number that every reader of JSON keeps exactly."""
MAX_MODEL_BYTES: Final = 100_000_000
MAX_MANIFEST_BYTES: Final = 1_000_000
"""Largest files that a document may name. The models that ship have 3 MB and 8 kB."""

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Address = Annotated[
    str,
    Meta(
        pattern=r"^https://[A-Za-z0-9.:\[\]-]+/[!-?A-~]*$",
        max_length=1000,
        description="Address of a file: https://HOST/PATH, without a user name.",
    ),
]
DeviceGlob = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_*?\[\]!-]{1,64}$",
        description="Device id, or a pattern of it: * for any text, ? for one character, [abc] for one of these.",
    ),
]
Percent = Annotated[float, Meta(ge=0, le=100)]
DocumentName = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class DesiredPayload(Payload, frozen=True, kw_only=True):
    """A signed document for the whole fleet; topic `<base>/fleet/desired`, retained."""

    schema: Literal[1] = SCHEMA_VERSION
    document: Annotated[
        str, Meta(min_length=2, description="The document: JSON as text, of which each byte in UTF-8 is signed.")
    ]
    signature: Annotated[
        str,
        Meta(
            min_length=1,
            description="Its signature as `ssh-keygen -Y sign -n emotion-edge-desired` writes it, armoured.",
        ),
    ]


class ManifestFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The manifest of a model (docs/manifest.md)."""

    url: Address
    size: Annotated[int, Meta(ge=1, le=MAX_MANIFEST_BYTES)]
    sha256: Sha256


class DesiredModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model to fetch: its .tflite file and its manifest."""

    url: Address
    size: Annotated[int, Meta(ge=1, le=MAX_MODEL_BYTES)]
    sha256: Sha256
    manifest: ManifestFile


class Assignment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What some devices should run: settings by dotted key, and a model. Without both, their own configuration."""

    devices: Annotated[list[DeviceGlob], Meta(min_length=1, max_length=1000)] = field(default_factory=lambda: ["*"])
    percent: Percent = 100.0
    settings: dict[str, Any] = {}
    model: DesiredModel | None = None


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who should run what: the first assignment that names a device holds for it, whole.

    `percent`: share of the devices for which the plan holds already; for the others `before` does.
    """

    name: DocumentName
    percent: Percent = 100.0
    assignments: Annotated[list[Assignment], Meta(max_length=100)] = []
    before: "Plan | None" = None


class DesiredDocument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The signed content.

    `base`: `mqtt.base_topic` of the fleet that it is for. `counter`: higher than that of every document before.
    `rollout`: the same for all stages of one roll-out, so that a device tries nothing twice that has failed in it.
    """

    schema: Literal[1] = 1
    base: str
    counter: Annotated[int, Meta(ge=1, le=MAX_COUNTER)]
    time: Timestamp
    rollout: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    plan: Plan

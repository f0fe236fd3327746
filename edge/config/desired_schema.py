"""Declares the configuration keys of what the fleet has this sensor run (docs/desired.md)."""

from typing import Annotated

from msgspec import Meta

from edge.config.section import Section


class DesiredConfig(Section, frozen=True, kw_only=True):
    """Whether this sensor runs what a signed document on the broker asks of it.

    `watch_seconds`: ten minutes hold sixty health messages, and a chip that gets hot has got so.
    """

    enabled: Annotated[
        bool, Meta(description="Whether the sensor follows signed documents on BASE_TOPIC/fleet/desired.")
    ] = False
    allowed_signers: Annotated[
        str,
        Meta(
            min_length=1,
            description="File of those who may sign documents, as ssh-keygen reads it (ALLOWED SIGNERS).",
            extra={"file": True},
        ),
    ] = "/etc/emotion-edge/allowed_signers"
    identity: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9@._+-]{0,127}$",
            description="Name in allowed_signers under which the keys stand that may sign.",
        ),
    ] = "fleet"
    ca_file: Annotated[
        str,
        Meta(
            description="PEM file of the certificate authorities to trust for the addresses of models. Empty: those of "
            "the operating system.",
            examples=["/etc/emotion-edge/models-ca.pem"],
            extra={"file": True},
        ),
    ] = ""
    watch_seconds: Annotated[
        float,
        Meta(
            ge=1,
            le=86_400,
            description="Seconds for which a change must keep the latency budget before it is kept.",
        ),
    ] = 600.0

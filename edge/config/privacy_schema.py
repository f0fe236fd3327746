"""Declares the configuration keys for the people who are seen: privacy, indicator, notice (docs/privacy.md)."""

from typing import Annotated

from msgspec import Meta

from edge.config.section import Section


class PrivacyConfig(Section, frozen=True, kw_only=True):
    """What may leave this sensor at all. Only the preview page ever shows a picture, and only where it is enabled.

    No setting lets a picture reach a disk or the broker, because no code here can put one there.
    """

    pictures: Annotated[
        bool,
        Meta(description="Whether preview.enabled may be set. false: no picture ever leaves this process."),
    ] = True


class IndicatorConfig(Section, frozen=True, kw_only=True):
    """A light that is on exactly while the camera is open."""

    led: Annotated[
        str,
        Meta(
            max_length=64,
            pattern=r"^([A-Za-z0-9][A-Za-z0-9:_.,@+-]*)?$",
            title="the name of an LED, as /sys/class/leds has it",
            description="Name of the LED in /sys/class/leds that is on while the camera is open; the camera stays "
            "closed where it cannot be switched on. Empty: none.",
            examples=["camera"],
        ),
    ] = ""


class NoticeConfig(Section, frozen=True, kw_only=True):
    """What `emotion-edge notice` prints besides its own text, in the language of the notice."""

    responsible: Annotated[
        str,
        Meta(
            max_length=200,
            description="Who is responsible (the controller): name and postal address.",
            examples=["Museum of Toys, High Street 1, Anytown"],
        ),
    ] = ""
    contact: Annotated[
        str,
        Meta(
            max_length=200,
            description="How to reach who is responsible.",
            examples=["privacy@museum.example, +44 20 7946 0000"],
        ),
    ] = ""
    purpose: Annotated[
        str,
        Meta(
            max_length=300,
            description="What the sensor is used for.",
            examples=["to see which exhibits visitors like"],
        ),
    ] = ""
    officer: Annotated[
        str,
        Meta(
            max_length=200,
            description="How to reach the data protection officer. Empty: there is none.",
            examples=["dpo@museum.example"],
        ),
    ] = ""
    legal_basis: Annotated[
        str,
        Meta(
            max_length=200,
            description="Legal basis of the processing. Empty: not on the notice.",
            examples=["consent, article 6(1)(a) GDPR"],
        ),
    ] = ""
    keep_days: Annotated[
        Annotated[int, Meta(ge=0, le=3650)] | None,
        Meta(
            description="Days after which whoever receives the results deletes them. 0: they are not kept. Unset: not "
            "on the notice. What the sensor keeps itself is set by summary.keep_days.",
            examples=[30],
        ),
    ] = None
    url: Annotated[
        str,
        Meta(
            max_length=300,
            pattern=r"^(https?://[!-~]+)?$",
            title="an address that begins with https:// or http://, as a browser copies it (ASCII, no blanks)",
            description="Web page with all information on the processing; the notice has a code to it. Empty: no code.",
            examples=["https://museum.example/privacy"],
        ),
    ] = ""

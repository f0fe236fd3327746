"""Defines what `info` says of the boots of a sensor before the running one."""

from typing import Annotated

from msgspec import Meta, Struct


class PreviousBoot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known, at the start of this boot, of the events of a boot before it."""

    boot_id: str
    events_decided: Annotated[
        int, Meta(ge=0, description="Events that it decided, as far as known: its `seq` ran from 1 to this number.")
    ]
    events_decided_exact: Annotated[
        bool,
        Meta(
            description="Whether there certainly were no more; false after a power cut, where later ones may be lost."
        ),
    ]
    events_delivered: Annotated[int, Meta(ge=0, description="Those that the broker has acknowledged.")]
    events_waiting: Annotated[int, Meta(ge=0, description="Those that wait in the outbox and are sent in this boot.")]
    events_dropped: Annotated[
        int, Meta(ge=0, description="Those that a full outbox dropped, or that the broker refused.")
    ]
    events_unaccounted: Annotated[
        int,
        Meta(ge=0, description="All others: lost, or delivered without an acknowledgement that the sensor has seen."),
    ]

"""Defines the base of the configuration's tables, and the marks that a key may carry.

A key is declared with its type, range, default and description; `Meta` takes them.

`Meta(extra={"reload": True})` on a key, or on a whole table in `Config`, marks what a reload applies while the sensor
runs: values that a person adjusts while watching the result, not those with which a camera, a connection or an
interpreter was opened. Opening another one may fail, and the sensor would stop; such a key needs a restart.
`Meta(extra={"secret": True})` marks a key that names a user or the place of a secret: `redacted_config` hides it.
`Meta(extra={"broker_url": True})` marks the address of a broker, or a list of them, whose path may hold a token.
`Meta(extra={"file": True})` marks the path of a file that is opened: no request may set it, because whoever may send
requests could have any file of this machine opened, and one that never ends would hold up the sensor.
`edge.config.keys` reads all four.
"""

from msgspec import Struct


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One table of the configuration. Unknown keys are errors."""

"""Checks for `doctor` whether this sensor can follow the fleet's documents, and says how far it has come."""

import os
from collections.abc import Mapping
from typing import ClassVar

from edge.commands.doctor.checks import Check, Checks
from edge.config.loader import tables_of
from edge.config.schema import Config
from edge.desired.beside import read_progress
from edge.desired.machine import Progress
from edge.desired.needs import check_desired_use


class DesiredChecks(Checks):
    """Checks what [desired] needs. `environ`: names the state folder of the sensor that is checked."""

    conditional: ClassVar[frozenset[str]] = frozenset({"desired"})

    def __init__(self, config: Config, environ: Mapping[str, str] = os.environ) -> None:
        super().__init__(config)
        self._environ = environ

    def by_name(self) -> dict[str, Check]:
        """Return the check by name, where documents are followed."""
        return {"desired": self._check} if self.config.desired.enabled else {}

    def _check(self) -> str:
        """Return which document was accepted, and where this sensor stands. Raises ConfigError for what is missing."""
        check_desired_use(self.config)
        state = read_progress(tables_of(self.config), self._environ) or Progress()
        who = f"signed by {self.config.desired.identity!r} in {self.config.desired.allowed_signers}"
        if state.document is None:
            return f"documents {who} are followed; none was accepted yet"
        if state.reason is not None and state.step in {"failed", "went_back", "fetching"}:
            self.warn(state.reason)
        return (
            f"document {state.document!r} with the counter {state.counter}, {who}: {state.step.replace('_', ' ')} "
            f"since {state.since}"
        )

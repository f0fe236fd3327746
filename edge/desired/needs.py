"""Checks what [desired] needs on this machine: a broker, a place for its state, ssh-keygen, those who may sign."""

import logging
from typing import Final

from edge.config.schema import Config
from edge.desired.beside import state_folder
from edge.desired.fetch import ca_context
from edge.desired.signature import try_verification
from edge.errors import ConfigError
from edge.system import board

_LOG: Final = logging.getLogger(__name__)


def log_desired_use(config: Config) -> None:
    """Log what [desired] lacks on this machine; that must not keep the sensor from running."""
    try:
        check_desired_use(config)
    except ConfigError as error:
        _LOG.warning("the fleet's documents cannot be followed: %s", error)


def check_desired_use(config: Config) -> None:
    """Check what [desired] needs on this machine. Raises ConfigError, one sentence; nothing where it is off."""
    if not config.desired.enabled:
        return
    state_folder(config, board.device_id(config.device.id))
    if not config.mqtt.url:
        raise ConfigError("desired.enabled is true, but mqtt.url is empty: documents come from a broker")
    try_verification(config.desired.allowed_signers, config.desired.identity)
    ca_context(config.desired.ca_file)

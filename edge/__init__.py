"""Runs on the device: turns camera frames into emotion events. Never imports `convert` or TensorFlow."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("emotion-edge")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"

"""Defines why a document is refused, and why what it wants cannot be had."""

from edge.errors import EdgeError


class RefusedError(EdgeError):
    """A document that is not followed: not signed, replayed, or not readable. Nothing has changed."""


class FetchError(EdgeError):
    """A file that could not be fetched for now: the network, the server or the disk may be better later."""


class UnfitError(EdgeError):
    """What a document wants of this sensor and what cannot be used, now and later."""


class StoreError(EdgeError):
    """A state that could not be put on the disk, so that nothing may be done that rests on it."""

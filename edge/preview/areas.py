"""Applies masks and zones that were drawn on the page, as settings."""

from typing import Any, ClassVar

from edge.config.areas import AREA_TABLES
from edge.preview.page_request import PageRequest, RequestName, json_of


class AreaWriter(PageRequest):
    """Handles `POST /areas`: `{"set": {"masks": {...}}}` or `{"reset": ["masks", "zones"]}`.

    The corners are in shares of the camera's picture, as in the configuration. `can_apply`: where the configuration
    allows it (`requests.settable`).
    """

    refused: ClassVar[str] = "Not applied"
    unprotected: ClassVar[str] = (
        "Not applied: this page has no token, so that every program on this machine could change masks. Set a token "
        "(preview.token_file), or put the text into the configuration file."
    )
    late: ClassVar[str] = "The sensor has not answered yet: look whether the areas come into force."

    def read(self, body: bytes) -> tuple[RequestName, dict[str, Any]] | str:
        """Return the request set or reset, or what is wrong with the body."""
        content = json_of(body)
        if content is None:
            return "the body is not JSON"
        match content:
            case {"set": dict() as tables, **rest} if not rest and tables and set(tables) <= set(AREA_TABLES):
                return "set", {"settings": tables}
            case {"reset": list() as names, **rest} if not rest and names and all(one in AREA_TABLES for one in names):
                return "reset", {"keys": names}
        return 'the body must be {"set": {"masks": {...}, "zones": {...}}} or {"reset": ["masks", "zones"]}'

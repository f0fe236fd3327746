"""Shows the sensor a calm face, or resets it, from the page."""

from typing import Any, ClassVar, Final

from edge.preview.page_request import ANSWER_SECONDS, PageRequest, RequestName, SubmitRequest, json_of
from edge.vision.calm_face import SECONDS

LOOK_SECONDS: Final = 2 * SECONDS + ANSWER_SECONDS
"""How long the page waits for an answer: a camera with few pictures ends the look later than five seconds."""


class CalmFaceButtons(PageRequest):
    """Handles `POST /calm-face`: `{"reset": false}` shows the sensor a calm face, `{"reset": true}` resets it."""

    refused: ClassVar[str] = "Not calibrated"
    unprotected: ClassVar[str] = (
        "Not calibrated: this page has no token, so that every program on this machine could change what is read. Set "
        "a token (preview.token_file), or use request/calibrate."
    )
    late: ClassVar[str] = "The sensor has not answered yet: look at the line above the buttons."

    def __init__(self, submit: SubmitRequest | None, *, has_token: bool, answer_seconds: float = LOOK_SECONDS) -> None:
        super().__init__(submit, has_token=has_token, answer_seconds=answer_seconds)

    def read(self, body: bytes) -> tuple[RequestName, dict[str, Any]] | str:
        """Return the request calibrate, or what is wrong with the body."""
        match json_of(body):
            case {"reset": bool() as reset, **rest} if not rest:
                return "calibrate", {"reset": reset}
        return 'the body must be {"reset": false} or {"reset": true}'

"""Makes the code on a notice: a QR code (ISO/IEC 18004) of an address. The only module that imports segno.

OpenCV, which is there anyway, has an encoder too, but with versions 4.9 to 4.11 no reader decodes what it makes of
more than 135 characters (opencv/opencv issue 27183).
"""

from collections.abc import Iterator
from typing import Final

from edge.errors import NoticeError
from edge.system.installation import how_to_install

Modules = tuple[tuple[bool, ...], ...]
"""Rows of a code; True is dark."""
QUIET_MODULES: Final = 4
"""Light border around a code, in modules (ISO/IEC 18004)."""


def make_code(url: str) -> Modules:
    """Return the code of an address in ASCII. Raises NoticeError where the package is missing.

    Error correction M repairs 15 % of the code, for a sign that gets scratched.
    """
    try:
        import segno  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise NoticeError(
            f"notice.url is set, but its code needs the package segno ({error}): {how_to_install('notice')}, or leave "
            "notice.url empty for a notice without a code"
        ) from error
    code = segno.make_qr(url, error="m", boost_error=False)
    return tuple(tuple(bool(module) for module in row) for row in code.matrix)


def side_modules(code: Modules) -> int:
    """Return the side of a code with its border, in modules."""
    return len(code) + 2 * QUIET_MODULES


def dark_runs(code: Modules) -> Iterator[tuple[int, int, int]]:
    """Yield column, row and length of each run of dark modules in a row, counted from the corner of the border.

    Neighbours are drawn as one: gaps between them would show in print.
    """
    for row_number, row in enumerate(code, QUIET_MODULES):
        start = None
        for column, dark in enumerate((*row, False), QUIET_MODULES):
            if dark and start is None:
                start = column
            elif not dark and start is not None:
                yield start, row_number, column - start
                start = None

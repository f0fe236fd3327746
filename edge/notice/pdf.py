"""Draws a notice as PDF 1.4, without a library.

Libraries that write PDF need a font file to show more than Western European letters, and no package that is small
enough for a device brings one. The standard font Helvetica, which every viewer has, needs none; but viewers agree only
on its letters for Western Europe and on its accents, as some have no more (PDFium of Chromium leaves out a letter such
as "ą"). So such a letter is set as its base and its accent, and the line carries its real text for search and screen
readers (ActualText). `check_letters` refuses what is made of no such letters.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from edge.errors import ConfigError
from edge.notice.content import Notice
from edge.notice.lettering import width
from edge.notice.page import HEIGHT, WIDTH, Disc, Rectangle, Shape, Text
from edge.redact import quoted

_DIFFERENCES: Final = "1/ogonek/breve/dotaccent/ring/hungarumlaut/caron/dotlessi/lslash/Lslash"
"""Glyphs that WinAnsiEncoding lacks and Adobe's standard Latin set has, from code 1 on."""
_ACCENTS: Final = {
    "\u0301": 0xB4,  # acute
    "\u0302": 0x88,  # circumflex
    "\u0303": 0x98,  # tilde
    "\u0304": 0x2D,  # macron: a hyphen, because viewers place their macrons differently
    "\u0306": 2,  # breve
    "\u0307": 3,  # dotaccent
    "\u0308": 0xA8,  # dieresis
    "\u030a": 4,  # ring
    "\u030b": 5,  # hungarumlaut
    "\u030c": 6,  # caron
    "\u0326": 0x2C,  # comma, below its letter
    "\u0327": 0xB8,  # cedilla
    "\u0328": 1,  # ogonek
}
"""Code of each accent by its combining character."""
_OGONEK, _COMMA_BELOW, _DOUBLE_ACUTE = "\u0328", "\u0326", "\u030b"
_BELOW: Final = {_OGONEK, _COMMA_BELOW, "\u0327"}
_LETTERS: Final = {"ı": 7, "ł": 8, "Ł": 9, "Đ": 0xD0, "\u00ad": 0x2D}
_WITH_APOSTROPHE: Final = "ďľťĽ"
"""Letters whose caron is set as an apostrophe behind them."""
_APOSTROPHE: Final = 0x92
_APOSTROPHE_BACK: Final = 40
_ACCENT_WIDTH: Final = 333
_COMMA_WIDTH: Final = 278
"""Widths of the glyphs that serve as accents, in thousandths of the size, in both fonts."""
_CAPITAL_RISE: Final = 195
"""How much higher an accent stands on a capital, as in the composites of Helvetica's AFM."""
_COMMA_RISE: Final = -240
"""A comma below stands under the base line by the height of a comma and its distance."""
_OGONEK_RIGHT: Final = 1.05
"""Where the glyph of an ogonek ends, as a share of its letter's width; its ink ends some 50 thousandths before."""
_DOUBLE_ACUTE_LEFT: Final = (54, 81)
"""How far the ink of a double acute lies right of the middle of its glyph (regular, bold), from the AFM."""
_MACRON: Final = "\u0304"
_MACRON_RISE: Final = 378
"""How far a hyphen is raised to the height of a macron (middles at 277 and 655 in the AFM)."""
_STROKE: Final = (243, 310)
"""Where a hyphen makes a bar through the ascender of d: from the left, and up."""
_CIRCLE: Final = 0.5523
"""Handle of a Bezier curve that draws a quarter of a circle: 4/3 (sqrt(2) - 1)."""


def draw_pdf(notice: Notice, shapes: Iterable[Shape]) -> bytes:
    """Return the file. A letter that Helvetica cannot show is left out: see `check_letters`."""
    content = "\n".join(operator for shape in shapes for operator in _operators(shape)).encode("latin-1")
    encoding = f"<</Type/Encoding/BaseEncoding/WinAnsiEncoding/Differences[{_DIFFERENCES}]>>"
    fonts = "<</R 5 0 R/B 6 0 R>>"
    title = _text_string(notice.title)
    return _file(
        [
            f"<</Type/Catalog/Pages 2 0 R/Lang({notice.language})"
            "/ViewerPreferences<</DisplayDocTitle true>>>>".encode(),
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {WIDTH} {HEIGHT}]/Contents 4 0 R"
            f"/Resources<</Font{fonts}>>>>".encode(),
            b"<</Length %d>>\nstream\n%b\nendstream" % (len(content), content),
            f"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding {encoding}>>".encode(),
            f"<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold/Encoding {encoding}>>".encode(),
            f"<</Title {title}/Producer(emotion-edge)>>".encode(),
        ]
    )


def check_letters(texts: Mapping[str, str]) -> None:
    """Raise ConfigError where one of `texts`, by dotted key, has a letter that a PDF cannot show."""
    for key, text in texts.items():
        for one in unicodedata.normalize("NFC", text):
            if _code(one) is None and _parts(one) is None:
                raise ConfigError(
                    f"{key} is {quoted(text)}, but a PDF of this program cannot show its letter {one}: write a .html "
                    "or .svg file, which a browser prints or saves as PDF"
                )


def _file(objects: list[bytes]) -> bytes:
    """Return a PDF file of objects; the first is the catalogue, the last the document information."""
    data = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return (
        data
        + b"xref\n0 %d\n0000000000 65535 f \n%b" % (size, table)
        + b"trailer\n<</Size %d/Root 1 0 R/Info %d 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, len(objects), len(data))
    )


def _operators(shape: Shape) -> Iterator[str]:
    yield "1 g" if shape.white else "0 g"
    match shape:
        case Rectangle():
            yield f"{shape.x:.3f} {HEIGHT - shape.y - shape.height:.3f} {shape.width:.3f} {shape.height:.3f} re f"
        case Disc():
            yield from _disc(shape.x, HEIGHT - shape.y, shape.radius)
        case Text():
            yield f"/Span<</ActualText {_text_string(shape.text)}>>BDC BT"
            yield f"/{'B' if shape.bold else 'R'} {shape.size:.2f} Tf {shape.x:.3f} {HEIGHT - shape.y:.3f} Td"
            yield from _glyphs(shape)
            yield "ET EMC"


def _disc(x: float, y: float, r: float) -> Iterator[str]:
    k = _CIRCLE * r
    yield f"{x + r:.3f} {y:.3f} m"
    for (ax, ay), (bx, by), (cx, cy) in (
        ((r, k), (k, r), (0, r)),
        ((-k, r), (-r, k), (-r, 0)),
        ((-r, -k), (-k, -r), (0, -r)),
        ((k, -r), (r, -k), (r, 0)),
    ):
        yield f"{x + ax:.3f} {y + ay:.3f} {x + bx:.3f} {y + by:.3f} {x + cx:.3f} {y + cy:.3f} c"
    yield "f"


def _glyphs(line: Text) -> Iterator[str]:
    plain: list[int] = []
    for one in unicodedata.normalize("NFC", line.text):
        if (code := _code(one)) is not None:
            plain.append(code)
            continue
        yield _shown(plain)
        plain = []
        yield _composed(one, line)
    yield _shown(plain)


def _shown(codes: list[int]) -> str:
    return f"<{bytes(codes).hex()}>Tj"


def _code(one: str) -> int | None:
    """Return the code of a letter that every viewer has; None for others."""
    if one in _LETTERS:
        return _LETTERS[one]
    try:
        return one.encode("cp1252")[0]
    except UnicodeEncodeError:
        return None


def _parts(one: str) -> tuple[str, str, int, int] | None:
    """Return a letter's base and accent, and the codes of both; None where one of them cannot be shown."""
    base, *marks = list(unicodedata.normalize("NFD", one.replace("đ", "d\u0304")))
    code, accent = _code(base), _ACCENTS.get("".join(marks))
    return None if code is None or accent is None else (base, marks[0], code, accent)


def _composed(one: str, line: Text) -> str:
    """Return the operators that set a letter with its accent."""
    parts = _parts(one)
    if parts is None:
        return ""
    base, mark, code, accent = parts
    if one in _WITH_APOSTROPHE:
        return f"[<{code:02x}>{_APOSTROPHE_BACK}<{_APOSTROPHE:02x}>]TJ"
    left, rise, accent_width = _place(one, base, mark, line)
    if base == "i" and mark not in _BELOW:
        code = _LETTERS["ı"]
    base_width = width(base, 1000, bold=line.bold)
    # Numbers in TJ move to the left, in thousandths of the size.
    back, on = base_width - left, left + accent_width - base_width
    return f"<{code:02x}>Tj {rise * line.size / 1000:.2f} Ts [{back:.0f}<{accent:02x}>{on:.0f}]TJ 0 Ts"


def _place(one: str, base: str, mark: str, line: Text) -> tuple[float, float, int]:
    """Return where an accent stands, from the left end of its letter and up, and how wide its glyph is."""
    base_width = width(base, 1000, bold=line.bold)
    if one == "đ":
        return (*_STROKE, _ACCENT_WIDTH)
    if mark == _OGONEK:
        return base_width * _OGONEK_RIGHT - _ACCENT_WIDTH, 0, _ACCENT_WIDTH
    if mark == _COMMA_BELOW:
        return (base_width - _COMMA_WIDTH) / 2, _COMMA_RISE, _COMMA_WIDTH
    left = (base_width - _ACCENT_WIDTH) / 2 - (_DOUBLE_ACUTE_LEFT[line.bold] if mark == _DOUBLE_ACUTE else 0)
    rise = _CAPITAL_RISE if base.isupper() and mark not in _BELOW else 0
    return left, rise + _MACRON_RISE * (mark == _MACRON), _ACCENT_WIDTH


def _text_string(text: str) -> str:
    """Return a text string of PDF, in UTF-16."""
    return f"<feff{text.encode('utf-16-be').hex()}>"

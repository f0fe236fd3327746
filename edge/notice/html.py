"""Writes a notice as a web page that prints on one sheet of A4."""

from html import escape
from typing import Final

from edge.notice.code import Modules, dark_runs, side_modules
from edge.notice.content import Notice
from edge.notice.page import CAMERA_HEIGHT, CAMERA_WIDTH, body_points, camera
from edge.notice.svg import svg_shapes

_STYLE: Final = """
@page { size: A4; margin: 0 }
* { box-sizing: border-box }
body { margin: 0 auto; width: 210mm; min-height: 296mm; background: #fff; color: #000;
  font: var(--body)/1.3 Helvetica, Arial, "Liberation Sans", sans-serif; overflow-wrap: anywhere;
  -webkit-print-color-adjust: exact; print-color-adjust: exact }
header { display: flex; align-items: center; gap: 8mm; height: 42mm; padding: 0 17mm; background: #000; color: #fff }
header svg { flex: none; width: 32mm }
h1 { font-size: 42pt; line-height: 1; margin: 0; overflow-wrap: normal }
main { padding: 4mm 17mm 0 }
.intro { font-size: 1.43em; font-weight: bold; margin: 0 }
h2 { font-size: 1.14em; margin: .8em 0 0 }
p { margin: 0 }
footer { display: flex; justify-content: space-between; gap: 7mm; margin-top: 4mm }
footer svg { flex: none; width: 46mm; height: 46mm }
@media (max-width: 200mm) { body { width: auto } header, main { padding-left: 5mm; padding-right: 5mm } }
"""


def write_html(notice: Notice, code: Modules | None) -> bytes:
    """Return the page, in UTF-8, with everything in one file."""
    sections = "".join(
        f"<section><h2>{escape(section.heading)}</h2>\n"
        + "".join(f"<p>{escape(text)}</p>\n" for text in section.paragraphs)
        + "</section>\n"
        for section in notice.sections
    )
    more = "" if code is None else _footer(notice, code)
    return (
        f'<!doctype html>\n<html lang="{notice.language}">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(notice.title)}</title>\n"
        f"<style>:root {{ --body: {body_points(notice, code):.2f}pt }}{_STYLE}</style>\n"
        f'<header><svg viewBox="0 0 {CAMERA_WIDTH} {CAMERA_HEIGHT}" aria-hidden="true">\n{svg_shapes(camera())}</svg>\n'
        f"<h1>{escape(notice.title)}</h1></header>\n"
        f'<main>\n<p class="intro">{escape(notice.intro)}</p>\n{sections}{more}</main>\n</html>\n'
    ).encode()


def _footer(notice: Notice, code: Modules) -> str:
    side = side_modules(code)
    dark = "".join(f"M{column} {row}h{length}v1h-{length}z" for column, row, length in dark_runs(code))
    url = escape(notice.url, quote=True)
    return (
        f'<footer><section><h2>{escape(notice.more)}</h2>\n<p><a href="{url}">{url}</a></p></section>\n'
        f'<svg viewBox="0 0 {side} {side}" shape-rendering="crispEdges" role="img" aria-label="QR: {url}">'
        f'<path d="{dark}"/></svg></footer>\n'
    )

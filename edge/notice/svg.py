"""Draws a notice as SVG 1.1, in the size of A4."""

from collections.abc import Iterable
from html import escape
from typing import Final

from edge.notice.content import Notice
from edge.notice.page import HEIGHT, WIDTH, Disc, Rectangle, Shape, Text

_FONTS: Final = "Helvetica, Arial, 'Liberation Sans', sans-serif"


def draw_svg(notice: Notice, shapes: Iterable[Shape]) -> bytes:
    """Return the file, in UTF-8."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="210mm" height="297mm" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'xml:lang="{notice.language}" font-family="{_FONTS}">\n'
        f"<title>{escape(notice.title)}</title>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n' + svg_shapes(shapes) + "</svg>\n"
    ).encode()


def svg_shapes(shapes: Iterable[Shape]) -> str:
    """Return the elements of shapes, one a line."""
    return "".join(f"{_element(shape)}\n" for shape in shapes)


def _element(shape: Shape) -> str:
    fill = "#fff" if shape.white else "#000"
    match shape:
        case Rectangle():
            place = f'x="{shape.x:.3f}" y="{shape.y:.3f}" width="{shape.width:.3f}" height="{shape.height:.3f}"'
            # Without gaps between the modules of a code.
            return f'<rect {place} fill="{fill}" shape-rendering="crispEdges"/>'
        case Disc():
            return f'<circle cx="{shape.x:.3f}" cy="{shape.y:.3f}" r="{shape.radius:.3f}" fill="{fill}"/>'
        case Text():
            weight = ' font-weight="bold"' if shape.bold else ""
            # The length holds the line on the page where a viewer takes a wider font.
            return (
                f'<text x="{shape.x:.3f}" y="{shape.y:.3f}" font-size="{shape.size:.2f}"{weight} fill="{fill}" '
                f'textLength="{shape.width:.2f}" lengthAdjust="spacingAndGlyphs">{escape(shape.text)}</text>'
            )

"""Builds self-contained HTML pages: no scripts, no links, nothing fetched; light and dark colour schemes."""

from collections.abc import Sequence
from html import escape
from typing import Final

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Content Security Policy under which the browser fetches nothing."""

_STYLE: Final = """
:root { color-scheme: light dark; --ground: #fcfcfb; --ink: #1c1b19; --muted: #6b6963; --line: #dcdad4;
  --heat: 42 120 214; --wrong: 196 86 28;
  --first: #2a78d6; --second: #c4561c; --warn: #8f1d1d; --warn-ground: #fbe9e7; }
@media (prefers-color-scheme: dark) { :root { --ground: #191918; --ink: #ecebe7; --muted: #a3a19a;
  --line: #3b3a37; --heat: 84 152 232; --wrong: 238 145 87;
  --first: #6ea8ee; --second: #ee9157; --warn: #ffb4ab; --warn-ground: #4a1512; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { margin-top: 2.5rem; font-size: 1.2rem; }
p, figcaption, li { max-width: 46rem; } figcaption, .note { color: var(--muted); font-size: .875rem; }
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .35rem; }
caption span { position: sticky; left: 0; display: inline-block; max-width: min(46rem, 85vw); }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th[scope=row], thead th:first-child, td.text { text-align: left; } th { font-weight: 600; }
td.text { white-space: normal; min-width: 20rem; color: var(--muted); }
tr.few, tr.few th, td.zero { color: var(--muted); } tr.few th { font-style: italic; }
.confusion td { min-width: 3.4rem; } .confusion small { display: block; color: inherit; font-weight: 400; opacity: .8; }
.confusion .few small { opacity: 1; }
.confusion th[scope=row] { position: sticky; left: 0; background: var(--ground); }
.confusion thead th { vertical-align: bottom; }
.long th[scope=row] { min-width: clamp(6rem, 25vw, 13rem); white-space: normal; overflow-wrap: anywhere; }
.long thead span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 13rem; white-space: normal;
  overflow-wrap: anywhere; text-align: left; }
dt { float: left; clear: left; min-width: 13rem; color: var(--muted); } dd { margin: 0 0 .2rem 13rem;
  overflow-wrap: anywhere; }
.warning { border-left: .3rem solid var(--warn); background: var(--warn-ground); color: var(--warn);
  padding: .75rem 1rem; }
.faces { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 1rem; }
.faces figure { margin: 0; } .faces img { width: 9rem; height: 9rem; display: block; }
"""


def page(title: str, body: Sequence[str]) -> str:
    """Return a complete HTML document; `title` is plain text, `body` are pieces of HTML."""
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY, quote=False)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>",
            f"<h1>{escape(title)}</h1>",
            *body,
            "</main>\n</body>\n</html>\n",
        ]
    )


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of plain text; `kind`: its CSS class (note, warning)."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escape(text)}</p>"


def table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], kinds: Sequence[str] = ()) -> str:
    """Return a table of plain text whose first column contains the row headers.

    The last cell of a row that has fewer cells than the header spans the others. `kinds`: the CSS class of each row,
    "" for none.
    """
    lines = [f'<div class="wide"><table>\n<caption><span>{escape(caption)}</span></caption>\n<thead><tr>']
    lines += [f'<th scope="col">{escape(cell)}</th>' for cell in header]
    lines.append("</tr></thead>\n<tbody>")
    for row, kind in zip(rows, kinds or [""] * len(rows), strict=True):
        cells = [f"<td>{escape(cell)}</td>" for cell in row[1:]]
        if len(row) < len(header):
            cells[-1] = f'<td class="text" colspan="{len(header) - len(row) + 1}">{escape(row[-1])}</td>'
        attribute = f' class="{kind}"' if kind else ""
        lines.append(f'<tr{attribute}><th scope="row">{escape(row[0])}</th>{"".join(cells)}</tr>')
    return "\n".join([*lines, "</tbody>\n</table></div>"])


def bullets(texts: Sequence[str]) -> str:
    """Return a list of plain texts."""
    return "<ul>" + "\n".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Return a description list of names and values."""
    return "<dl>" + "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs) + "</dl>"


def figure(svg: str, caption: str) -> str:
    """Return an inline SVG with its caption."""
    return f"<figure>{svg}\n<figcaption>{escape(caption)}</figcaption></figure>"

"""`emotion-edge notice`: writes the printable sign for those who are seen."""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from edge.config.schema import Config
from edge.errors import ConfigError
from edge.notice.code import Modules, make_code
from edge.notice.content import Notice, compose_notice
from edge.notice.html import write_html
from edge.notice.page import lay_out
from edge.notice.pdf import check_letters, draw_pdf
from edge.notice.svg import draw_svg
from edge.system.files import replace_file

log = logging.getLogger(__name__)

_WRITERS: Final[dict[str, Callable[[Notice, Modules | None], bytes]]] = {
    ".pdf": lambda notice, code: draw_pdf(notice, lay_out(notice, code)),
    ".svg": lambda notice, code: draw_svg(notice, lay_out(notice, code)),
    ".html": write_html,
}


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Write the notice; returns 0. Raises ConfigError and NoticeError."""
    write_notice(config, arguments.language, arguments.output)
    return 0


def write_notice(config: Config, language: str, output: Path) -> None:
    """Write the notice in one of the languages to a file, in the form that its suffix names.

    Raises ConfigError where the configuration lacks a text, or the file cannot be written; NoticeError where the notice
    cannot be made.
    """
    writer = _WRITERS.get(output.suffix.lower())
    if writer is None:
        raise ConfigError(f"--output {output} has a suffix that is no form of the notice: use .pdf, .svg or .html")
    notice = compose_notice(config, language)
    if writer is _WRITERS[".pdf"]:
        texts: dict[str, object] = msgspec.to_builtins(config.notice)
        check_letters({f"notice.{key}": text for key, text in texts.items() if isinstance(text, str)})
    if not notice.url:
        log.warning("notice.url is empty, so the notice has no code to a page with all information")
    data = writer(notice, make_code(notice.url) if notice.url else None)
    try:
        replace_file(output, lambda partial: partial.write_bytes(data), durable=False)
    except OSError as error:
        raise ConfigError(f"--output {output} cannot be written: {error.strerror}") from error

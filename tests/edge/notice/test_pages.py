"""The page of a notice: it fits, in every form and language, and says the same in each; letters, and the code."""

import dataclasses
import re
import shutil
import subprocess
import unicodedata
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ConfigError, NoticeError
from edge.notice.code import make_code
from edge.notice.content import Notice, Section, compose_notice
from edge.notice.html import write_html
from edge.notice.languages import LANGUAGES
from edge.notice.lettering import width, wrapped
from edge.notice.page import HEIGHT, WIDTH, Disc, Rectangle, Text, lay_out
from edge.notice.pdf import check_letters, draw_pdf
from edge.notice.svg import draw_svg
from support.notices import SETTINGS, Pdf, config_with, read_code

LATIN = "ĄąĆćĘęŁłŃńÓóŚśŹźŻżČčĎďĚěŘřŠšŤťŮůŽžŐőŰűĂăȘșȚțİıĞğŞşĐđĀāĒēĢģĪīĶķĻļŅņŪūĮįŲųĖėß€„”’ÅØæœĽľ"


def words(text):
    return " ".join(text.split())


def notice_of(text):
    return Notice("en", "Title", text, (Section("Heading", (text, text)),), "More", "")


def is_on_the_page(shape):
    match shape:
        case Text():
            return shape.x >= 0 and shape.x + shape.width <= WIDTH - 40 and shape.size <= shape.y <= HEIGHT - 40
        case Disc():
            return shape.radius <= shape.x <= WIDTH and shape.radius <= shape.y <= HEIGHT
        case Rectangle():
            return min(shape.x, shape.y) >= 0 and shape.x + shape.width <= WIDTH and shape.y + shape.height <= HEIGHT


@pytest.mark.parametrize("language", LANGUAGES)
def test_notice_fits_the_page_and_says_the_same_in_every_form(language):
    config = config_with(led="camera", KEEP_DAYS="30", OFFICER="iod@muzeum.example", LEGAL_BASIS="zgoda")
    notice = compose_notice(config, language)
    code = make_code(notice.url)
    shapes = lay_out(notice, code)
    assert all(is_on_the_page(shape) for shape in shapes)
    said = words(" ".join(notice.texts))
    pdf = Pdf(draw_pdf(notice, shapes))
    assert pdf.language == language
    assert words(" ".join(pdf.lines)) == said
    svg = draw_svg(notice, shapes).decode()
    assert words(unescape(" ".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg)))) == said
    html = write_html(notice, code).decode()
    assert f'<html lang="{language}">' in html
    body = html[html.index("<header>") :]
    assert words(unescape(re.sub(r"<[^>]*>", " ", body))) == said


def test_code_leads_to_the_address_that_is_given():
    notice = compose_notice(config_with(), "en")
    pdf = Pdf(draw_pdf(notice, lay_out(notice, make_code(notice.url))))
    assert read_code(pdf.picture()) == SETTINGS["URL"]
    without = compose_notice(config_with(URL=""), "en")
    assert read_code(Pdf(draw_pdf(without, lay_out(without, None))).picture()) == ""
    assert "More information" not in Pdf(draw_pdf(without, lay_out(without, None))).lines


def test_longest_texts_that_the_configuration_takes_fit_the_page():
    # W is the widest letter; a text without blanks is broken anywhere.
    limits = {"RESPONSIBLE": 200, "CONTACT": 200, "PURPOSE": 300, "OFFICER": 200, "LEGAL_BASIS": 200}
    longest = {key: "W" * most for key, most in limits.items()} | {"URL": "https://" + "w" * 292}
    for language in ("en", "fr"):
        notice = compose_notice(config_with(led="camera", KEEP_DAYS="3650", **longest), language)
        assert all(is_on_the_page(shape) for shape in lay_out(notice, make_code(notice.url)))


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.just(" "), min_size=1, max_size=400))
def test_any_text_is_on_the_page_whole_or_is_refused(text):
    text = unicodedata.normalize("NFC", words(text)) or "x"
    try:
        shapes = lay_out(notice_of(text), None)
    except NoticeError:
        assert len(text) > 300
        return
    assert all(is_on_the_page(shape) for shape in shapes)
    lines = "".join(shape.text.replace(" ", "") for shape in shapes if isinstance(shape, Text))
    assert lines.count(text.replace(" ", "")) >= 2


def test_letters_with_accents_are_set_and_those_that_cannot_be_are_refused():
    lines = Pdf(draw_pdf(notice_of(LATIN), lay_out(notice_of(LATIN), None))).lines
    assert LATIN in "".join(lines)
    check_letters({"notice.purpose": LATIN})
    for text, letter in (("Афины", "А"), ("東京", "東"), ("ħ", "ħ"), ("a\u0301\u0323", "\u1ea1")):
        problem = (
            f"notice.contact is {text!r}, but a PDF of this program cannot show its letter {letter}: write a .html"
        )
        with pytest.raises(ConfigError, match=f"^{re.escape(problem)}"):
            check_letters({"notice.purpose": LATIN, "notice.contact": text})


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_can_be_shown_by_a_pdf(language):
    check_letters(dataclasses.asdict(LANGUAGES[language]))


def test_lines_are_as_wide_as_in_helvetica():
    # From Adobe's font metrics: H 722, e 556, l 222, o 556; bold l 278, o 611.
    assert width("Hello", 1000) == 722 + 556 + 222 + 222 + 556
    assert width("Hello", 10, bold=True) == pytest.approx(7.22 + 5.56 + 2 * 2.78 + 6.11)
    assert width("Żółć", 1000) == width("Zo", 1000) + 222 + width("c", 1000)
    assert list(wrapped("one two three", 1000, width("one two", 1000))) == ["one two", "three"]
    assert list(wrapped("iiii", 1000, 500)) == ["ii", "ii"]


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="pdftoppm is not installed")
def test_another_program_renders_the_pdf_and_finds_its_words(tmp_path):
    import cv2  # noqa: PLC0415 - only here

    notice = compose_notice(config_with(), "pl")
    (tmp_path / "n.pdf").write_bytes(draw_pdf(notice, lay_out(notice, make_code(notice.url))))
    done = subprocess.run(
        ["pdftoppm", "-r", "150", "-gray", "n.pdf", "n"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    (picture,) = tmp_path.glob("n*.pgm")
    image = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE)
    assert (image.shape[1], image.shape[0]) == (1241, 1754)
    assert read_code(image) == SETTINGS["URL"]
    text = subprocess.run(["pdftotext", "n.pdf", "-"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "90-001 Łódź" in text
    assert "żeby wiedzieć" in text

"""`emotion-edge notice`: the file that it writes, and what it refuses."""

import sys

import pytest

from edge.cli import main
from edge.commands.notice import write_notice
from edge.errors import ConfigError, NoticeError
from support.notices import Pdf, config_with


def test_form_follows_the_suffix(tmp_path):
    beginnings = {"notice.PDF": b"%PDF-1.4", "notice.svg": b"<?xml", "notice.html": b"<!doctype html>"}
    for name, beginning in beginnings.items():
        write_notice(config_with(), "de", tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(beginning)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(beginnings)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("notice.docx", r"notice\.docx has a suffix that is no form of the notice: use \.pdf, \.svg or \.html"),
        ("notice", "has a suffix that is no form"),
        ("gone/notice.pdf", "cannot be written: No such file or directory"),
        ("folder.pdf", "cannot be written: Is a directory"),
    ],
)
def test_file_that_cannot_be_written_is_named(tmp_path, output, reason):
    (tmp_path / "folder.pdf").mkdir()
    with pytest.raises(ConfigError, match=reason):
        write_notice(config_with(), "en", tmp_path / output)


def test_address_needs_the_package_of_its_code(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "segno", None)
    with pytest.raises(NoticeError, match=r"notice\.url is set, but its code needs the package segno .*notice"):
        write_notice(config_with(), "en", tmp_path / "n.svg")
    write_notice(config_with(URL=""), "en", tmp_path / "n.svg")


def test_letter_that_a_pdf_cannot_show_is_named_with_its_key_and_another_form_takes_it(tmp_path):
    with pytest.raises(ConfigError, match=r"^notice\.officer is .Ωmega.*its letter Ω: write a \.html"):
        write_notice(config_with(OFFICER="Ωmega"), "en", tmp_path / "n.pdf")
    write_notice(config_with(OFFICER="Ωmega"), "en", tmp_path / "n.html")
    assert "Ωmega" in (tmp_path / "n.html").read_text(encoding="utf-8")


def test_command_prints_nothing_but_what_is_missing(tmp_path, capsys, caplog):
    file = tmp_path / "config.toml"
    file.write_text('[notice]\nresponsible = "Café"\ncontact = "a@b.example"\n', encoding="utf-8")
    arguments = ["notice", "--config", str(file), "--language", "fr", "--output", str(tmp_path / "n.pdf")]
    assert main(arguments) == 2
    assert "notice.purpose is empty, but a notice must say" in capsys.readouterr().err
    file.write_text(file.read_text(encoding="utf-8") + 'purpose = "compter"\n', encoding="utf-8")
    assert main(arguments) == 0
    assert capsys.readouterr().out == ""
    assert "notice.url is empty" in caplog.text
    assert "Café" in Pdf((tmp_path / "n.pdf").read_bytes()).lines

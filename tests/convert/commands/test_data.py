"""The command `data`: its options, and what it says where the tables are missing."""

import pytest

from convert.cli import main


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fer2013", "none.csv"], "none.csv does not exist; FER2013 is published at https://www.kaggle.com/"),
        (["--fer2013", "f.csv", "--ferplus", "none"], "FER+ at https://github.com/microsoft/FERPlus (fer2013new.csv)"),
        (
            ["--fer2013", "folder", "--ferplus", "f.csv"],
            "--ferplus f.csv needs FER2013's table, fer2013.csv, and folder is",
        ),
        (["--fer2013", "f.csv"], "f.csv has 0 Training, 0 PublicTest, 0 PrivateTest pictures, but FER2013 has 28,709"),
    ],
)
def test_missing_or_wrong_table_is_one_sentence(tmp_path, monkeypatch, capfd, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "f.csv").write_text("emotion,pixels,Usage\n", encoding="utf-8")
    assert main(["data", *options]) == 1
    error = capfd.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "data").exists()

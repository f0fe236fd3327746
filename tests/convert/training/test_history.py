import pytest

from convert.errors import ConvertError
from convert.training.history import Epoch, add_epoch, read_history, stage_starts
from support.run_folder import EPOCHS, write_history


def test_stage_starts_where_epochs_restart(tmp_path):
    write_history(tmp_path)
    epochs = read_history(tmp_path)
    assert tuple((epoch.side_px, epoch.epoch) for epoch in epochs) == EPOCHS
    assert stage_starts(epochs) == [2]


def test_epoch_that_is_trained_again_replaces_its_line(tmp_path):
    first, lost, again = (Epoch(side_px=64, epoch=number, loss=1.5, public_test=0.4) for number in (1, 2, 2))
    for before, epoch in ((0, first), (1, lost), (1, again)):
        add_epoch(tmp_path, epoch, before)
    assert read_history(tmp_path) == (first, again)


@pytest.mark.parametrize("content", ["{}", "no json", "[1]"])
def test_file_that_is_not_a_history_is_named(tmp_path, content):
    (tmp_path / "history.jsonl").write_text(content + "\n", encoding="utf-8")
    with pytest.raises(ConvertError, match=r"history\.jsonl is not the history of a training run"):
        read_history(tmp_path)

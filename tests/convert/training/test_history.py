import pytest

from convert.errors import ConvertError
from convert.training.history import Epoch, append_epoch, read_history, stage_starts
from support.run_folder import EPOCHS, write_history


def test_stage_starts_where_epochs_restart(tmp_path):
    write_history(tmp_path)
    epochs = read_history(tmp_path)
    assert tuple((epoch.side_px, epoch.epoch) for epoch in epochs) == EPOCHS
    assert stage_starts(epochs) == [2]


def test_appended_epoch_is_read_back(tmp_path):
    epoch = Epoch(side_px=64, epoch=1, loss=1.5, public_test=0.4)
    append_epoch(tmp_path, epoch)
    assert read_history(tmp_path) == (epoch,)


@pytest.mark.parametrize("content", ["{}", "no json", "[1]"])
def test_file_that_is_not_a_history_is_named(tmp_path, content):
    (tmp_path / "history.jsonl").write_text(content + "\n", encoding="utf-8")
    with pytest.raises(ConvertError, match=r"history\.jsonl is not the history of a training run"):
        read_history(tmp_path)

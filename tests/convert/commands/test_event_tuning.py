"""The options of `events`."""

import pytest

pytest.importorskip("ai_edge_litert", reason="the model is run by ai-edge-litert")
from convert.cli import main


@pytest.mark.parametrize("people", ["0", "many", "-3", "1001"])
def test_wrong_number_of_people_is_refused_in_one_sentence(people, capsys):
    with pytest.raises(SystemExit):
        main(["events", f"--people={people}"])
    assert f"{people!r} is not a whole number from 1 to 1000" in capsys.readouterr().err

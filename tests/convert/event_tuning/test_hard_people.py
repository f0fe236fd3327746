import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="the model is run by ai-edge-litert")
from convert.event_tuning.face_sequences import agreed_faces
from convert.event_tuning.hard_people import record_hard_person


@pytest.mark.footage
def test_hard_people_are_deterministic_and_readable_until_their_obstacles(data, classifier):
    """These four have one after the first second, and a tilted head is readable throughout."""
    faces = agreed_faces(data)
    people = [record_hard_person(number, classifier, faces, 3.0) for number in (0, 5, 6, 3)]
    assert [person.name for person in people] == ["tilted", "turned", "blurred", "half hidden"]
    again = record_hard_person(0, classifier, faces, 3.0)
    np.testing.assert_array_equal(people[0].predictions, again.predictions)
    for person in people:
        assert person.readable[:25].all()
        assert person.readable[person.appearance]
        assert person.classified.all()
    assert people[0].readable.all()
    assert [0.5 < person.readable.mean() < 1 for person in people[1:]] == [True] * 3

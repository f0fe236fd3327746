from hypothesis import given
from hypothesis import strategies as st

from edge.desired.selection import Choice, assignment_of, choice_of, is_in_share, same_choice, share_of
from edge.messages.desired import Assignment, DesiredModel, ManifestFile, Plan

IDS = st.text("abcdefgh0123456789-_", min_size=1, max_size=20)
PERCENT = st.floats(0, 100)


def model(sha: str = "a", url: str = "https://h/m.tflite") -> DesiredModel:
    return DesiredModel(
        url=url, size=1, sha256=sha * 64, manifest=ManifestFile(url="https://h/m.json", size=1, sha256="b" * 64)
    )


@given(IDS, IDS, PERCENT, PERCENT)
def test_a_smaller_percentage_is_contained_in_a_larger_one(device: str, name: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert is_in_share(device, name, high) or not is_in_share(device, name, low)
    assert is_in_share(device, name, 100)
    assert not is_in_share(device, name, 0)


def test_a_percentage_takes_so_many_devices_and_others_under_another_name() -> None:
    devices = [f"shop-{number}" for number in range(4000)]
    for percent in (5, 25, 50):
        taken = sum(is_in_share(device, "november", percent) for device in devices)
        assert abs(taken / 40 - percent) < 3
    first, second = ({one for one in devices if is_in_share(one, name, 10)} for name in ("november", "december"))
    assert len(first & second) < len(first) / 4
    # Pinned: a device of another version must come to the same.
    assert round(share_of("shop-1", "november"), 6) == 91.839862


def test_first_assignment_that_names_a_device_holds_whole() -> None:
    plan = Plan(
        name="n",
        assignments=[
            Assignment(devices=["shop-1", "museum-*"], settings={"events.margin": 0.1}),
            Assignment(devices=["shop-?"], model=model()),
            Assignment(devices=["*"], percent=0, settings={"events.margin": 0.9}),
        ],
    )
    assert choice_of(plan, "shop-1") == Choice(settings={"events.margin": 0.1})
    assert choice_of(plan, "museum-hall") == choice_of(plan, "shop-1")
    assert choice_of(plan, "shop-2") == Choice(model=model())
    assert choice_of(plan, "Shop-2") is None
    assert choice_of(plan, "shop-22") is None
    assert choice_of(Plan(name="n", assignments=[Assignment()]), "shop-1") is None
    assert assignment_of(Plan(name="n", assignments=[Assignment()]), "shop-1") is not None


@given(IDS, PERCENT, PERCENT)
def test_outside_of_the_stage_what_was_before_holds(device: str, percent: float, earlier: float) -> None:
    new, old, oldest = ({"events.margin": value} for value in (0.1, 0.2, 0.3))
    first = Plan(name="oldest", assignments=[Assignment(settings=oldest)])
    second = Plan(name="old", percent=earlier, assignments=[Assignment(settings=old)], before=first)
    plan = Plan(name="new", percent=percent, assignments=[Assignment(settings=new)], before=second)
    expected = new if is_in_share(device, "new", percent) else old if is_in_share(device, "old", earlier) else oldest
    assert choice_of(plan, device) == Choice(settings=expected)
    without = Plan(name="new", percent=percent, assignments=[Assignment(settings=new)])
    assert choice_of(without, device) == (Choice(settings=new) if expected == new else None)


def test_choices_are_the_same_by_content_and_not_by_address() -> None:
    assert same_choice(Choice(model=model()), Choice(model=model(url="https://other/m.tflite")))
    assert not same_choice(Choice(model=model()), Choice(model=model("c")))
    assert not same_choice(Choice(model=model()), None)
    assert same_choice(None, None)
    one, other = ({"a": {"x": 1, "y": 2}, "b": 1}, {"b": 1, "a": {"y": 2, "x": 1}})
    assert same_choice(Choice(settings=one), Choice(settings=other))
    assert Choice(model=model()).files != Choice(model=model("c")).files

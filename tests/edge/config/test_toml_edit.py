import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.toml_edit import toml_value, with_values
from edge.errors import ConfigError

TEXT = """\
# mine
[source]
uri = "v4l2:/dev/video0"  # the one above the door
# uri = "scripted:"
rotate = 180

[masks]
window = [[0.6, 0.0], [1.0, 0.0], [1.0, 0.5]]

[mqtt]   # broker
url='mqtt://old.local'
"""


def test_values_change_in_their_lines_and_all_else_stays():
    after = with_values(TEXT, {("source", "uri"): "auto:", ("mqtt", "url"): "mqtt://new", ("mqtt", "username"): "me"})
    assert after == TEXT.replace('uri = "v4l2:/dev/video0"', 'uri = "auto:"').replace(
        "url='mqtt://old.local'", 'url="mqtt://new"\nusername = "me"'
    )


def test_values_that_are_there_change_nothing_not_even_their_spelling():
    assert with_values(TEXT, {("mqtt", "url"): "mqtt://old.local", ("source", "rotate"): 180}) is TEXT
    assert with_values(TEXT.rstrip(), {("source", "rotate"): 180}) == TEXT.rstrip()


def test_missing_key_stands_behind_the_last_one_of_its_table_and_a_missing_table_at_the_end():
    after = with_values(TEXT, {("source", "flip"): "none", ("preview", "enabled"): True, ("preview", "port"): 8378})
    assert 'rotate = 180\nflip = "none"\n\n[masks]' in after
    assert after.endswith("url='mqtt://old.local'\n\n[preview]\nenabled = true\nport = 8378\n")
    assert with_values("", {("a", "b"): 1}) == "[a]\nb = 1\n"
    assert with_values("[a]\n# nothing yet\n\n[b]\n", {("a", "x"): False}) == "[a]\nx = false\n# nothing yet\n\n[b]\n"


def test_line_endings_and_values_of_another_type_are_kept_and_replaced():
    after = with_values('[a]\r\nb = true # why\r\nc = ["x"]\r\n', {("a", "b"): 1})
    assert after == '[a]\r\nb = 1 # why\r\nc = ["x"]\r\n'


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("\ufeff[a]\nb = 1\n", "\ufeff[a]\nb = 2\n"),
        ("\ufeff", "\ufeff[a]\nb = 2\n"),
        ("[a]\nb = 1\r\nc = 1\n", "[a]\nb = 2\r\nc = 1\n"),
        ("[c]\n\r\n[a]\r\nd = 1\n", "[c]\n\r\n[a]\r\nd = 1\nb = 2\n"),
        ("[a]\r\nd = 1", "[a]\r\nd = 1\r\nb = 2\r\n"),
        ("[c]\r\n", "[c]\r\n\r\n[a]\r\nb = 2\r\n"),
        ("# x\u2028[a]\u0085y\n[a] # \u2029\nb = 1 # \u0085\n", "# x\u2028[a]\u0085y\n[a] # \u2029\nb = 2 # \u0085\n"),
    ],
)
def test_byte_order_mark_and_each_end_of_line_stay(text, after):
    assert with_values(text, {("a", "b"): 2}) == after
    assert with_values(after, {("a", "b"): 2}) is after


@pytest.mark.parametrize(
    "text",
    [
        'source = { uri = "x" }\n',
        'source.uri = "x"\n',
        '[source]\nuri = """\nx\n"""\n',
        '[source]\nnote = """\nuri = "y"\n"""\nuri = "x"\n',
        '["source"]\nuri = "x"\n',
        'source = "x"\n',
        '[source]\n"uri" = "x"\n',
    ],
)
def test_file_that_is_written_otherwise_is_refused_rather_than_damaged(text):
    with pytest.raises(ConfigError, match=r"no key can be changed for you: set source\.uri in it yourself"):
        with_values(text, {("source", "uri"): "auto:"})


KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.one_of(st.booleans(), st.integers(-9, 9), st.text(st.characters(exclude_categories=["Cs"]), max_size=6))
TABLES = st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=3)


@given(
    TABLES,
    st.dictionaries(st.tuples(KEYS, KEYS), VALUES, max_size=3),
    st.sampled_from(["", "  # x = 1", "\t# [a]", " # \u2028b = 2\u0085[b]"]),
)
def test_any_simple_file_holds_the_changes_and_what_it_held(tables, values, comment):
    lines = []
    for name, table in tables.items():
        lines += [f"[{name}]{comment}", *(f"{key} = {toml_value(value)}{comment}" for key, value in table.items())]
    text = "\n".join(lines)
    after = with_values(text, values)
    for (table, key), value in values.items():
        tables.setdefault(table, {})[key] = value
    assert tomllib.loads(after) == tables
    assert not comment or after.count(comment) >= len(lines)

import json
import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.commands.config import to_toml
from edge.config.keys import KEYS
from edge.config.loader import load, load_tables
from edge.config.schema import Config, DeviceConfig
from edge.errors import ConfigError
from edge.system import board

SQUARE = "[[0, 0], [1, 0], [1, 1], [0, 0.5]]"


@pytest.fixture
def write(tmp_path):
    def _write(text):
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def test_without_a_file_the_defaults_apply():
    assert load(environ={}) == Config()


def test_flags_override_environment_overrides_file(write):
    path = write('[source]\nuri = "a.mp4"\nwidth = 320\nheight = 240\n')
    environ = {"EMOTION_EDGE_SOURCE_URI": "b.mp4", "EMOTION_EDGE_SOURCE_WIDTH": "800"}
    source = load(path, environ, {"source.uri": "c.mp4"}).source
    assert (source.uri, source.width, source.height) == ("c.mp4", 800, 240)


def test_environment_variable_names_the_file(write):
    path = write("[budget]\nlatency_ms = 40\n")
    assert load(environ={"EMOTION_EDGE_CONFIG": str(path)}).budget.latency_ms == 40.0


def test_file_of_an_instance_gives_the_sensor_an_id_and_a_name_of_its_own(tmp_path):
    door, config = tmp_path / "door.toml", tmp_path / "config.toml"
    for file in (door, config):
        file.touch()
    loaded, single = load_tables(door, {}, folder=tmp_path), load_tables(config, {}, folder=tmp_path)
    assert (loaded.service.unit, loaded.id_derived) == ("emotion-edge@door", True)
    assert loaded.config().device == DeviceConfig(id=f"{board.device_id()}-door", name="Emotion sensor door")
    assert (single.service.unit, single.id_derived, single.config()) == ("emotion-edge", False, Config())
    assert load_tables(door, {}, folder=tmp_path / "other").config() == Config()
    door.write_text('[device]\nid = "hall"\nname = "Hall"\n', encoding="utf-8")
    loaded = load_tables(door, {}, folder=tmp_path)
    assert (loaded.id_derived, loaded.config().device) == (False, DeviceConfig(id="hall", name="Hall"))
    # A variable is for one start of the program, and more than the file.
    assert load_tables(door, {"EMOTION_EDGE_DEVICE_ID": ""}, folder=tmp_path).id_derived


def test_commas_separate_the_items_of_a_list_in_the_environment():
    environ = {
        "EMOTION_EDGE_MQTT_URL": "mqtt://a",
        "EMOTION_EDGE_MQTT_FALLBACK_URLS": "mqtt://b, wss://c/d%2Ce",
        "EMOTION_EDGE_MQTT_ALPN": "",
    }
    mqtt = load(environ=environ).mqtt
    assert mqtt.fallback_urls == ["mqtt://b", "wss://c/d%2Ce"]
    assert mqtt.alpn == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[source]\nwidht = 3\n", ["config.toml", "source.widht", "did you mean width"]),
        ("[sourc]\nwidth = 3\n", ["config.toml", "[sourc]", "source"]),
        ("[source]\nwidth = 3\n", ["source.width", "3", "64 to 4096"]),
        ('[source]\nwidth = "wide"\n', ["source.width", "'wide'", "whole number"]),
        ("[source]\nwidth = 640.5\n", ["source.width", "640.5", "whole number"]),
        ("[source]\nwidth = true\n", ["source.width", "True", "whole number"]),
        ("[source]\nrotate = 45\n", ["source.rotate", "45", "0, 90, 180, 270"]),
        ("[source]\nstall_seconds = nan\n", ["source.stall_seconds", "nan", "0.5 to 300"]),
        ("[events]\nunknown_below = 1.5\n", ["events.unknown_below", "1.5", "0 to 1"]),
        ('[mqtt]\nalpn = "mqtt"\n', ["mqtt.alpn", "'mqtt'", "list of at most 8 protocol names"]),
        ("[mqtt]\nfallback_urls = [1]\n", ["mqtt.fallback_urls", "[1]", "list of at most 8 addresses"]),
        ("[budget]\nlatency_ms = inf\n", ["budget.latency_ms", "inf"]),
        ("source = 3\n", ["source", "table"]),
        ("[detector]\nmin_face = 0.5\nmax_face = 0.2\n", ["config.toml: detector.min_face", "0.5", "0.2"]),
        ('[mqtt]\ncert_file = "a.pem"\n', ["config.toml: mqtt.cert_file", "mqtt.key_file"]),
        ('[labels]\na = ["happy"]\nb = ["happy"]\n', ["config.toml: labels.b", "happy", "labels.a"]),
        ('[labels]\na = ["happy"]\n"b c" = ["happy"]\n', ["config.toml: labels.'b c'", "labels.a"]),
        ('[labels]\na = "happy"\n', ["labels.a", "list"]),
        ("[valence]\nhappy = 2\n", ["config.toml: valence.happy", "2", "a number from -1 to 1"]),
        ('[valence]\nhappy = "good"\n', ["valence.happy", "'good'", "a number from -1 to 1"]),
        ("[valence]\nhappy = nan\n", ["valence.happy", "nan", "a number from -1 to 1"]),
        ("[preview]\nenabled = true\n[privacy]\npictures = false\n", ["preview.enabled", "privacy.pictures is false"]),
        ("[homeassistant]\nenabled = 1\n", ["homeassistant.enabled", "1", "true or false"]),
        ('[homeassistant]\ndiscovery_prefix = "a/#"\n', ["homeassistant.discovery_prefix", "'a/#'", "text matching"]),
        ("[source\n", ["not valid TOML"]),
        ('[masks]\na = "x"\n', ["config.toml: masks.a is 'x'", "list of corners, as in [[0.6, 0], [1, 0], [1, 0.5]]"]),
        ("[zones]\na = []\n", ["zones.a is []", "list of corners"]),
        ("[masks]\na.b = [[0, 0], [1, 0], [1, 1]]\n", ["masks.a is {'b'", "list of corners"]),
        ("[zones]\na = [0.1, 0.2]\n", ["config.toml: zones.a has the corner 0.1", "a corner is two numbers"]),
        ("[zones]\na = [[0, true], [1, 0], [1, 1]]\n", ["zones.a has the corner [0, True]", "two numbers"]),
        ("[masks]\na = [[0, nan], [1, 0], [1, 1]]\n", ["masks.a has the corner [0, nan]", "two numbers"]),
        ("[masks]\na = [[0, 0], [1, 0]]\n", ["masks.a has 2 different corners, but must have at least 3"]),
        ("[masks]\na = [[0, 0], [1, 0], [0, 0]]\n", ["masks.a has 2 different corners, but must have at least 3"]),
        ("[zones]\na = [[0, 0], [1.2, 0], [1, 1]]\n", ["zones.a has the corner [1.2, 0]", "from 0 to 1"]),
        ("[zones]\na = [[0, 0], [1, 1], [1, 0], [0, 1]]\n", ["zones.a crosses itself", "from [0, 0] to [1, 1] meets"]),
        ("[masks]\na = [[0, 0], [0.5, 0.5], [1, 1]]\n", ["masks.a crosses itself", "order around the area"]),
        ("[zones]\na = [[0, 0], [0.01, 0], [0, 0.01]]\n", ["zones.a encloses 0.005 %", "at least 0.01 %"]),
        (f"[masks]\na = {[[0, n / 40] for n in range(40)]}\n", ["masks.a has 40 corners, but must have at most 32"]),
        (
            '[zones]\n"a/b" = [[0, 0], [1, 0], [1, 1]]\n',
            ["zones.'a/b' is named 'a/b'", "letters (a to z), digits, - and"],
        ),
        (f"[zones]\nx-y = {SQUARE}\nX_y = {SQUARE}\n", ["config.toml: zones.X_y has the same name as zones.x-y"]),
        (
            f"[zones]\nx = {SQUARE}\nx = {SQUARE}\n",
            ["config.toml is not valid TOML: the key x is set a second time in"],
        ),
        ("[zones]\n[masks]\n[zones]\n", ["the table [zones] is set a second time in line 3; set each name once"]),
        (
            "[masks]\n" + "".join(f"a{n} = {SQUARE}\n" for n in range(17)),
            ["masks.a16 is number 17 of [masks], but at most 16"],
        ),
    ],
)
def test_error_names_origin_key_value_and_range(write, text, parts):
    with pytest.raises(ConfigError) as caught:
        load(write(text), environ={})
    message = str(caught.value)
    assert all(part in message for part in parts), message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("environ", "parts"),
    [
        ({"EMOTION_EDGE_SOURCE_WIDTH": "wide"}, ["EMOTION_EDGE_SOURCE_WIDTH", "'wide'", "64 to 4096"]),
        ({"EMOTION_EDGE_SOURCE_WITH": "640"}, ["EMOTION_EDGE_SOURCE_WITH", "EMOTION_EDGE_SOURCE_WIDTH"]),
        ({"EMOTION_EDGE_OUTBOX": "1"}, ["EMOTION_EDGE_OUTBOX", "; `emotion-edge config show` lists all keys"]),
        ({"EMOTION_EDGE_MQTT_FALLBACK_URLS": "mqtt://a,"}, ["EMOTION_EDGE_MQTT_FALLBACK_URLS", "at most 8 addresses"]),
        (
            {"EMOTION_EDGE_MQTT_FALLBACK_URLS": "mqtt://a"},
            ["EMOTION_EDGE_MQTT_FALLBACK_URLS: mqtt.fallback_urls", "mqtt.url is empty"],
        ),
        ({"EMOTION_EDGE_MQTT_ALPN": "a b"}, ["EMOTION_EDGE_MQTT_ALPN", "list of at most 8 protocol names"]),
        ({"EMOTION_EDGE_CONFIG": "/nonexistent/c.toml"}, ["/nonexistent/c.toml", "does not exist"]),
        ({"EMOTION_EDGE_CONFIG": "/"}, ["configuration file / is a folder"]),
        ({"EMOTION_EDGE_ZONES_DOOR": "0"}, ["EMOTION_EDGE_ZONES_DOOR", "zones are set in a file, as [zones]"]),
        ({"EMOTION_EDGE_LABELS_GOOD": "happy"}, ["EMOTION_EDGE_LABELS_GOOD", "set in a file, as [labels]"]),
        ({"EMOTION_EDGE_VALENCE_HAPPY": "1"}, ["EMOTION_EDGE_VALENCE_HAPPY", "set in a file, as [valence]"]),
    ],
)
def test_error_in_the_environment_names_the_variable(environ, parts):
    with pytest.raises(ConfigError) as caught:
        load(environ=environ)
    assert all(part in str(caught.value) for part in parts)


def test_binary_file_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "config.toml"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ConfigError, match=r"config\.toml"):
        load(path, environ={})


def test_config_show_output_loads_the_same_configuration(write):
    text = (
        f'[labels]\ngood = ["happy"]\n[device]\nname = "Küche \\"1\\""\n[masks]\na = {SQUARE}\n[zones]\nb = {SQUARE}\n'
    )
    config = load(write(text), environ={})
    assert config.masks == {"a": [(0, 0), (1, 0), (1, 1), (0, 0.5)]}
    assert load(write(to_toml(config)), environ={}) == config


@pytest.mark.parametrize(("table", "key"), [(table, key) for table, keys in KEYS.items() for key in keys])
def test_config_show_gives_an_example_of_each_key_without_a_value_that_the_key_takes(write, table, key):
    lines = to_toml(Config()).splitlines()
    at = lines.index(f"[{table}]")
    end = next((n for n in range(at, len(lines)) if not lines[n]), len(lines))
    examples = [line for line in lines[at:end] if line.startswith(f"# Example: {key} = ")]
    assert bool(examples) == (getattr(getattr(Config(), table), key) in ("", [], None))
    for line in examples:
        partner = '\ncert_file = "a.pem"' if key == "key_file" else '\nkey_file = "a.key"' if key == "cert_file" else ""
        partner += '\nurl = "mqtt://a"' if key == "fallback_urls" else ""
        load(write(f"[{table}]\n{line.removeprefix('# Example: ')}{partner}\n"), environ={})


def test_config_show_explains_each_table_and_gives_groups_as_an_example(write):
    lines = to_toml(Config()).splitlines()
    headings = [at for at, line in enumerate(lines) if line.startswith("[")]
    assert all(re.fullmatch(r"# [A-Z].{10,}\.", lines[at - 1]) for at in headings)
    labels = lines[lines.index("[labels]") - 1 : lines.index("[valence]") - 2]
    assert labels[0].startswith("# Groups of labels: ")
    text = "\n".join(line.replace("# Example: ", "") for line in labels[1:])
    config = load(write(text), environ={})
    assert config.labels["positive"] == ["happy", "surprise"]
    assert load(write(to_toml(Config())), environ={}) == Config()
    assert "# Example: " not in to_toml(config).partition("[labels]")[2].partition("[valence]")[0]


def test_config_show_gives_the_default_weights_and_reads_back_those_of_any_label(write):
    text = to_toml(load(write('[valence]\n"sehr fröhlich" = 1\nsad = -0.5\n'), environ={}))
    defaults, *weights = text.partition("[valence]\n")[2].splitlines()[:3]
    assert "happy 0.8675" in defaults
    assert weights == ['"sehr fröhlich" = 1.0', "sad = -0.5"]
    assert load(write(text), environ={}).valence == {"sehr fröhlich": 1.0, "sad": -0.5}


def test_config_show_marks_an_address_that_may_hold_credentials(write):
    config = load(write('[source]\nuri = "rtsp://cam/user=me&password=S3cret"\n'), environ={})
    lines = to_toml(config).splitlines()
    assert [lines[at - 1] for at, line in enumerate(lines) if "S3cret" in line] == [
        "# The next line may hold credentials: remove them before you show this to others."
    ]
    assert load(write(to_toml(config)), environ={}) == config
    assert "may hold credentials" not in to_toml(load(write('[mqtt]\nurl = "mqtt://broker"\n'), environ={}))


@given(
    st.dictionaries(
        st.sampled_from(["source", "mqtt", "events", "labels", "nonsense"]),
        st.one_of(
            st.integers(),
            st.dictionaries(
                st.sampled_from(["uri", "width", "url", "dwell_seconds", "x"]),
                st.one_of(
                    st.integers(),
                    st.text("aß ", max_size=5),
                    st.floats(allow_nan=False, allow_infinity=False),
                    st.booleans(),
                    st.lists(st.integers()),
                ),
            ),
        ),
    )
)
def test_any_tables_load_or_are_refused_in_one_sentence(tmp_path_factory, raw):
    plain = [f"{name} = {value}" for name, value in raw.items() if isinstance(value, int)]
    tables = [
        line
        for name, table in raw.items()
        if isinstance(table, dict)
        for line in (f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items()))
    ]
    text = "\n".join(plain + tables) + "\n"
    path = tmp_path_factory.mktemp("any") / "c.toml"
    path.write_text(text, encoding="utf-8")
    try:
        tomllib.loads(text)
        config = load(path, environ={})
    except (ConfigError, tomllib.TOMLDecodeError) as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert isinstance(config, Config)


TEXT = '[source]\nuri = "0"\n\n[labels]\n"fröhlich" = ["happy"]\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_file_of_any_editor_is_read(tmp_path, encoding, end):
    path = tmp_path / "c.toml"
    path.write_bytes(TEXT.replace("\n", end).encode(encoding))
    config = load(path, environ={})
    assert config.source.uri == "0"
    assert list(config.labels) == ["fröhlich"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_other_encodings_are_named(tmp_path, encoding):
    path = tmp_path / "c.toml"
    path.write_bytes(TEXT.encode(encoding))
    with pytest.raises(ConfigError, match=r"c\.toml is not UTF-8 but UTF-16 or UTF-32.*save it as UTF-8"):
        load(path, environ={})


def test_single_byte_encoding_is_one_sentence(tmp_path):
    path = tmp_path / "c.toml"
    path.write_bytes(TEXT.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"c\.toml is not UTF-8: byte 0xf6 in line 5.*save it as UTF-8") as caught:
        load(path, environ={})
    assert "\n" not in str(caught.value)


FILE_URLS = '[mqtt]\nurls = ["mqtt://a", "mqtt://b"]\n'
FILE_URL = '[mqtt]\nurl = "mqtt://a"\nfallback_urls = ["mqtt://b"]\n'


@pytest.mark.parametrize(
    ("text", "environ", "flags", "brokers"),
    [
        (FILE_URLS, {}, {}, ["mqtt://a", "mqtt://b"]),
        (FILE_URL, {}, {}, ["mqtt://a", "mqtt://b"]),
        (FILE_URLS, {"EMOTION_EDGE_MQTT_URL": "mqtt://c"}, {}, ["mqtt://c"]),
        (FILE_URL, {"EMOTION_EDGE_MQTT_URLS": "mqtt://c,mqtt://d"}, {}, ["mqtt://c", "mqtt://d"]),
        (FILE_URLS, {}, {"mqtt.url": "mqtt://e", "mqtt.urls": [], "mqtt.fallback_urls": []}, ["mqtt://e"]),
        (
            FILE_URL,
            {"EMOTION_EDGE_MQTT_URLS": "mqtt://c,mqtt://d"},
            {"mqtt.url": "mqtt://e", "mqtt.urls": [], "mqtt.fallback_urls": []},
            ["mqtt://e"],
        ),
        (
            '[mqtt]\nurl = "mqtt://a"\nfallback_urls = ["mqtt://b"]\nurls = ["mqtt://a", "mqtt://b"]\n',
            {},
            {},
            ["mqtt://a", "mqtt://b"],
        ),
    ],
)
def test_one_address_and_a_list_are_two_spellings_of_which_the_later_counts(tmp_path, text, environ, flags, brokers):
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    mqtt = load(file, environ, flags).mqtt
    assert [mqtt.url, *mqtt.fallback_urls] == brokers


@pytest.mark.parametrize("other", ['url = "mqtt://c"', 'fallback_urls = ["mqtt://c"]'])
def test_two_spellings_that_differ_in_one_file_are_refused(tmp_path, other):
    file = tmp_path / "config.toml"
    file.write_text(f"{FILE_URLS}{other}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mqtt\.urls and mqtt\.(url|fallback_urls) name different brokers"):
        load(file, {})

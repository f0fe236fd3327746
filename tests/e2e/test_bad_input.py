"""Bad files, configurations, brokers and sources: one sentence that names the input, a non-zero code, no traceback."""

import shutil
import signal
import socket

import pytest

from edge.cli import main
from edge.system.board import in_container
from edge.vision.classification.manifest import find_model
from support.program import run


def refused(*arguments, **changes):
    """Run the program, and return the one sentence on standard error."""
    result = run(*arguments, **changes)
    return sentence_of(result.returncode, result.stderr)


def sentence_of(code, stderr):
    assert code not in (0, None), stderr
    assert code > 0, "ended by a signal"
    lines = [line for line in stderr.splitlines() if line.strip()]
    assert "Traceback" not in stderr
    assert len(lines) == 1, stderr
    assert lines[0].startswith("emotion-edge: ")
    return lines[0]


@pytest.fixture
def refused_early(capfd, caplog, monkeypatch):
    """As `refused`, in this process: for what is refused before any library that could crash or print is used."""
    handler = signal.getsignal(signal.SIGTERM)

    def refuse(*arguments, **changes):
        for name, value in changes.items():
            monkeypatch.setenv(name, value)
        code = main([str(argument) for argument in arguments])
        assert not caplog.records
        return sentence_of(code, capfd.readouterr().err)

    yield refuse
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def text(tmp_path):
    def _text(name, content=b"This is a text, and nothing but a text.\n" * 40):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return _text


@pytest.mark.parametrize("name", ["clip.avi", "face.png", "face.jpg"])
def test_missing_file_is_named(refused_early, tmp_path, name):
    assert str(tmp_path / name) in refused_early("run", "--source", tmp_path / name)


def test_missing_file_is_named_by_the_program(tmp_path):
    assert str(tmp_path / "clip.mp4") in refused("run", "--source", tmp_path / "clip.mp4")


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi", "face.png", "face.jpg"])
def test_empty_file_is_named(refused_early, text, name):
    path = text(name, b"")
    message = refused_early("run", "--source", path)
    assert str(path) in message
    assert "empty" in message


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "face.png", "notes.txt"])
def test_text_file_named_as_video_or_image_is_named(text, name):
    path = text(name)
    assert str(path) in refused("run", "--source", path)


def test_folder_without_images_is_named(refused_early, tmp_path):
    assert str(tmp_path) in refused_early("run", "--source", tmp_path)


@pytest.mark.parametrize(("name", "content"), [("a.png", b""), ("b.jpg", b"text\n" * 100)])
def test_classify_names_a_file_that_is_no_image(text, name, content):
    path = text(name, content)
    assert str(path) in refused("classify", path)


def test_classify_names_a_missing_image(tmp_path):
    assert str(tmp_path / "no.png") in refused("classify", tmp_path / "no.png")


def model_copy(folder):
    model = folder / "m.tflite"
    shutil.copy(find_model("normal"), model)
    shutil.copy(find_model("normal").with_suffix(".json"), model.with_suffix(".json"))
    return model


def with_model(model):
    return {"EMOTION_EDGE_MODEL_NAME": str(model)}


@pytest.mark.parametrize("content", [b"", b"a text\n" * 100])
def test_file_that_is_no_model_is_named(text, content):
    path = text("m.tflite", content)
    assert str(path) in refused("run", "--source", "scripted:", **with_model(path))


def test_missing_model_is_named(refused_early, tmp_path):
    assert "nothing.tflite" in refused_early("run", **with_model(tmp_path / "nothing.tflite"))
    assert "'tiny'" in refused_early("run", EMOTION_EDGE_MODEL_NAME="tiny")


def test_missing_manifest_is_named(refused_early, tmp_path):
    model = model_copy(tmp_path)
    model.with_suffix(".json").unlink()
    assert str(model.with_suffix(".json")) in refused_early("run", **with_model(model))


def test_manifest_of_another_model_is_named_with_the_model(refused_early, tmp_path):
    model = model_copy(tmp_path)
    manifest = model.with_suffix(".json")
    content = manifest.read_text(encoding="utf-8")
    digest = content.split('"sha256": "')[1][:64]
    manifest.write_text(content.replace(digest, "0" * 64), encoding="utf-8")
    message = refused_early("run", **with_model(model))
    assert str(model) in message
    assert str(manifest) in message


def test_truncated_model_is_named(tmp_path):
    model = model_copy(tmp_path)
    model.write_bytes(model.read_bytes()[:1_000_000])
    assert str(model) in refused("run", **with_model(model))


@pytest.mark.parametrize("content", [b"", b"a text\n"])
def test_file_that_is_no_cascade_is_named(text, content):
    path = text("my.xml", content)
    message = refused("run", EMOTION_EDGE_DETECTOR_CASCADE=str(path))
    assert "detector.cascade" in message
    assert str(path) in message


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("[source]\nuri = 3\n", ["source.uri", "3", "text"]),
        ("[sources]\n", ["[sources]", "did you mean source?"]),
        ("[tracker]\nlost_secs = 1\n", ["tracker.lost_secs", "lost_seconds"]),
        ("[budget]\nlatency_ms = 0\n", ["budget.latency_ms", "0", "1 to 10000"]),
        ("[labels]\nfun = ['joy']\n", ["labels.fun", "'joy'", "happy"]),
        ("[labels", ["TOML"]),
    ],
)
@pytest.mark.parametrize("command", [("run",), ("config", "check")])
def test_configuration_error_names_key_value_and_range(refused_early, tmp_path, content, parts, command):
    path = tmp_path / "c.toml"
    path.write_text(content, encoding="utf-8")
    message = refused_early(*command, "--config", path)
    assert all(part in message for part in parts), message


def test_missing_configuration_file_is_named(refused_early, tmp_path):
    assert "none.toml" in refused_early("run", "--config", tmp_path / "none.toml")


@pytest.mark.parametrize("port", ["0", "70000", "-1", "http"])
def test_invalid_port_is_named(refused_early, port):
    url = f"mqtt://127.0.0.1:{port}"
    message = refused_early("watch", "--mqtt", url)
    assert url in message
    assert "1 to 65535" in message


def test_invalid_port_is_named_by_run_and_doctor():
    url = "mqtt://127.0.0.1:70000"
    message = refused("run", "--mqtt", url)
    assert url in message
    assert "1 to 65535" in message
    result = run("doctor", "--mqtt", url)
    assert result.returncode == 1
    assert any(line.startswith("FAIL  broker") and url in line for line in result.stdout.splitlines())
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["run", "watch"])
def test_refused_credentials_are_one_sentence(make_broker, command):
    broker = make_broker(users={"sensor": "right"})
    broker.start()
    message = refused(
        command, "--mqtt", broker.url, EMOTION_EDGE_MQTT_USERNAME="sensor", EMOTION_EDGE_MQTT_PASSWORD="wrong"
    )
    assert "sensor" in message
    assert "wrong" not in message


@pytest.mark.parametrize("command", ["run", "watch"])
def test_unknown_host_is_one_sentence(command):
    try:
        socket.getaddrinfo("no-such-host.invalid", None)
    except socket.gaierror as error:
        if command == "run" and error.errno != socket.EAI_NONAME:
            pytest.skip("no name server answers here, so `run` waits for one")
    assert "no-such-host.invalid" in refused(command, "--mqtt", "mqtt://no-such-host.invalid")


def test_password_in_a_url_is_refused_and_not_repeated(refused_early):
    message = refused_early("run", "--mqtt", "mqtt://me:s3cret@127.0.0.1")
    assert "password_file" in message
    assert "s3cret" not in message


@pytest.mark.parametrize("uri", ["99", "v4l2:/dev/video99", "v4l2:/dev/null", "v4l2:No such camera"])
def test_missing_camera_is_named(uri):
    assert uri.removeprefix("v4l2:") in refused("run", "--source", uri)


@pytest.mark.parametrize(
    "uri", ["scripted:joy=3", "scripted:happy=", "scripted:happy=-1", "scripted:happy=1?speed=2", "ftp://host/clip.mp4"]
)
def test_invalid_source_is_named(refused_early, uri):
    message = refused_early("run", "--source", uri)
    assert any(part in message for part in ("joy", "happy", "speed", "ftp"))


def test_picamera_without_picamera2_names_the_package_to_install():
    try:
        import picamera2  # noqa: F401, PLC0415
    except ImportError:
        pass
    else:
        pytest.skip("picamera2 is installed here")
    wanted = "install the Debian package on the system itself" if in_container() else "python3-picamera2"
    assert wanted in refused("run", "--source", "picamera:0")

"""Compares what is used and faked of picamera2 with the real package, which is parsed and never imported."""

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from edge.capture.backends import picamera
from support import fake_picamera2

FAKED = "0.3.38"
OLDEST = "0.3.22"
"""The first version known to have captures that time out; `load_driver` names it."""

ROLES = {"camera": ("picamera2.py", "Picamera2"), "request": ("request.py", "CompletedRequest")}
FAKES = {"FakePicamera2": ROLES["camera"], "FakeRequest": ROLES["request"]}
FAKES_OWN = {"stream_config_or_none"}


@pytest.fixture(scope="module", params=[OLDEST, FAKED])
def version(request):
    return request.param


@pytest.fixture(scope="module")
def package(version, request):
    """Return the folder of picamera2's Python files, kept in pytest's cache between runs."""
    folder = Path(request.config.cache.mkdir(f"picamera2-{version}"))
    if not (folder / "picamera2" / "picamera2.py").exists():
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
        command += ["--disable-pip-version-check", "--timeout=10", "--retries=1", f"--dest={folder}"]
        done = subprocess.run([*command, f"picamera2=={version}"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
            pytest.skip(f"picamera2 {version} cannot be downloaded from PyPI: {reason}")
        (wheel,) = folder.glob("*.whl")
        zipfile.ZipFile(wheel).extractall(folder)
    return folder / "picamera2"


def methods_of(tree, name):
    """Return a class's functions by name; of overloads the last, which is the one in effect."""
    (found,) = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == name)
    return {node.name: node for node in found.body if isinstance(node, ast.FunctionDef)}


def real(package, role):
    file, name = role
    return methods_of(ast.parse((package / file).read_text(encoding="utf-8")), name)


def parsed(module):
    return ast.parse(Path(module.__file__).read_text(encoding="utf-8"))


def arguments_of(function):
    return [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]


def is_property(function):
    return any(isinstance(mark, ast.Name) and mark.id == "property" for mark in function.decorator_list)


def uses(tree):
    """Yield (variable, attribute, call or None) for each use of a camera or a request."""
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ROLES:
            yield node.value.id, node.attr, calls.get(id(node))


def test_every_method_used_exists_and_accepts_the_arguments(package):
    seen = set()
    for variable, attribute, call in uses(parsed(picamera)):
        methods = real(package, ROLES[variable])
        assert attribute in methods, f"{variable}.{attribute}"
        function = methods[attribute]
        seen.add(f"{variable}.{attribute}")
        if call is None:
            assert is_property(function), f"{variable}.{attribute} is not an attribute"
            continue
        assert not is_property(function)
        known = arguments_of(function)[1:]
        assert {keyword.arg for keyword in call.keywords} <= set(known), f"{variable}.{attribute}"
        assert len(call.args) <= len(known)
        needed = len(known) - len(function.args.defaults)
        given = len(call.args) + sum(keyword.arg in known[:needed] for keyword in call.keywords)
        assert given >= needed, f"{variable}.{attribute}"
    # The search above found the uses.
    assert {"camera.capture_request", "camera.camera_controls", "camera.close", "request.make_array"} <= seen
    assert len(seen) >= 9


def test_behaviour_that_the_source_relies_on_is_in_the_package(package):
    source = (package / "picamera2.py").read_text(encoding="utf-8")
    methods = real(package, ROLES["camera"])
    # The camera's number comes first.
    assert arguments_of(methods["__init__"])[1] == "camera_num"
    # Keys of a stream, the format, the control.
    (keys,) = (
        ast.literal_eval(node.value)
        for node in ast.walk(methods["_make_initial_stream_config"])
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "valid"
    )
    assert {"format", "size"} <= set(keys)
    formats = ast.parse((package / "formats.py").read_text(encoding="utf-8"))
    assert any(isinstance(node, ast.Constant) and node.value == picamera.FORMAT for node in ast.walk(formats))
    assert '"FrameDurationLimits"' in source
    # Full-range luma, as the model was trained on.
    preview = methods["create_preview_configuration"]
    by_name = dict(zip(reversed(arguments_of(preview)), reversed(preview.args.defaults), strict=False))
    assert ast.unparse(by_name["colour_space"]) == "libcamera.ColorSpace.Sycc()"
    # A number for `wait` is a time limit.
    dispatch = ast.unparse(methods["dispatch_functions"])
    assert "timeout = wait" in dispatch
    assert "get_result(timeout=timeout)" in dispatch
    # Rows of YUV420 keep their padding.
    assert "array.reshape((h * 3 // 2, stride))" in (package / "request.py").read_text(encoding="utf-8")
    assert "stream_config['stride'] =" in ast.unparse(methods["_update_stream_config"])


def test_cameras_are_listed_in_the_order_of_their_numbers_and_those_on_usb_last(package):
    methods = real(package, ROLES["camera"])
    listing = ast.unparse(methods["global_camera_info"])
    assert "enumerate(Picamera2._cm.cms.cameras)" in listing
    assert "key=lambda cam: ('/usb' not in cam['Id'], cam['Id']), reverse=True" in listing
    # The number of a camera is its place in that list, and not the number that libcamera gives it.
    assert "camera_num = self.global_camera_info()[camera_num]['Num']" in ast.unparse(methods["__init__"])
    # The way to the sizes of a sensor.
    assert "libcamera.CameraManager.singleton()" in (package / "picamera2.py").read_text(encoding="utf-8")
    modes = ast.unparse(methods["sensor_modes"])
    assert "generate_configuration([libcamera.StreamRole.Raw])" in modes
    assert "raw_formats = raw_config.at(0).formats" in modes
    assert "for size in raw_formats.sizes(pix)" in modes


def test_fake_has_only_methods_of_the_real_class_with_its_signatures(package, version):
    if version != FAKED:
        return
    for name, role in FAKES.items():
        originals = real(package, role)
        for method, function in methods_of(parsed(fake_picamera2), name).items():
            if (method.startswith("_") and method != "__init__") or method in FAKES_OWN:
                continue
            if name == "FakeRequest" and method == "__init__":
                continue  # created by the camera only
            assert method in originals, f"{name}.{method}"
            original = originals[method]
            assert is_property(function) == is_property(original), f"{name}.{method}"
            assert arguments_of(function) == arguments_of(original), f"{name}.{method}"
            assert len(function.args.defaults) == len(original.args.defaults), f"{name}.{method}"
            for ours, theirs in zip(function.args.defaults, original.args.defaults, strict=True):
                # The real class has mutable and libcamera defaults where the fake has None.
                if isinstance(theirs, ast.Constant) and ast.unparse(ours) != "None":
                    assert ast.unparse(ours) == ast.unparse(theirs), f"{name}.{method}"


def test_fake_has_the_formats_and_keys_of_the_real_class(package, version):
    if version != FAKED:
        return
    formats = ast.parse((package / "formats.py").read_text(encoding="utf-8"))
    sets = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in formats.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Set)
    }
    assert sets["YUV_FORMATS"] == fake_picamera2.YUV_FORMATS
    assert sets["RGB_FORMATS"] == fake_picamera2.RGB_FORMATS
    keys = ast.unparse(real(package, ROLES["camera"])["_make_initial_stream_config"])
    assert str(fake_picamera2.STREAM_KEYS) in keys

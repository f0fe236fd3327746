"""A release and what it carries: section of the changelog, one version everywhere, lists, archive of an image."""

import hashlib
import importlib.util
import json
import re
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
ADDON = ROOT / "distribution" / "home-assistant-addon"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


notes_of = script("release_notes").notes_of
SECTION = "## [0.2.0] - 2026-11-27\n### Added\n- One thing.\n"


@pytest.mark.parametrize("above", ["", "# Changelog\n\n## [Unreleased]\n\n"])
def test_notes_are_the_section_of_the_version(above):
    older = "\n## [0.1.0] - 2026-11-20\n- The first.\n"
    assert notes_of("0.2.0", above + SECTION + older) == "### Added\n- One thing."


@pytest.mark.parametrize(
    ("changelog", "problem"),
    [
        ("", "begins with no section"),
        ("## [Unreleased]\n- New.\n", r"entries below \[Unreleased\]: move them below '## \[0\.2\.0\] - YYYY-MM-DD'"),
        ("## [Unreleased]\n- New.\n" + SECTION, r"entries below \[Unreleased\]"),
        (
            "## [0.1.0] - 2026-11-20\n- Old.\n" + SECTION,
            r"version 0\.2\.0, and CHANGELOG\.md begins with '## \[0\.1\.0\]'",
        ),
        ("## [0.2.0]\n- New.\n", r"has the heading '## \[0\.2\.0\]', but it must be"),
        ("## [0.2.0] - 2026-11-27\n\n## [0.1.0] - 2026-11-20\n- Old.\n", "has nothing below"),
    ],
)
def test_changelog_that_does_not_fit_the_version_is_refused(changelog, problem):
    with pytest.raises(ValueError, match=problem):
        notes_of("0.2.0", changelog)


def test_version_is_one_everywhere():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d[^]]*)\]", changelog, re.MULTILINE)
    assert released[:1] in ([], [PROJECT["version"]])
    assert yaml.safe_load((ADDON / "config.yaml").read_text())["version"] == PROJECT["version"]
    build = yaml.safe_load((ADDON / "build.yaml").read_text())
    assert {one.rpartition(":")[2] for one in build["build_from"].values()} == {PROJECT["version"]}


@pytest.mark.parametrize("minor", [11, 13])
def test_lists_name_each_package_with_its_sums(minor):
    text = (ROOT / "distribution" / "requirements" / f"python3.{minor}.txt").read_text()
    for package in re.split(r"\n(?=[a-z])", text):
        assert re.match(r"[a-z0-9-]+==\S+ \\\n +--hash=sha256:[0-9a-f]{64}", package), package[:60]


def write_blob(layout, content):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    (layout / "blobs" / "sha256" / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def make_layout(folder):
    layer = write_blob(folder, b"a layer")
    config = write_blob(folder, {"architecture": "arm64", "os": "linux", "config": {"User": "8377:44"}})
    manifest = write_blob(folder, {"schemaVersion": 2, "config": config, "layers": [layer]})
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def test_archive_of_an_image_is_the_same_each_time_and_right_for_docker_and_oci(tmp_path):
    pack = script("image_archive").pack
    for name in ("one", "two"):
        pack(make_layout(tmp_path / name), "emotion-edge:1", tmp_path / f"{name}.tar", 1_700_000_000)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()

    with tarfile.open(tmp_path / "one.tar") as archive:
        members = archive.getmembers()
        files = {one.name: archive.extractfile(one).read() for one in members if one.isfile()}
    assert {(one.uid, one.gid, one.mtime) for one in members} == {(0, 0, 1_700_000_000)}
    for name, data in files.items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert entry["platform"] == {"architecture": "arm64", "os": "linux"}
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == "emotion-edge:1"
    manifest = json.loads(files["blobs/" + entry["digest"].replace(":", "/")])
    config_file = "blobs/" + manifest["config"]["digest"].replace(":", "/")
    assert manifest["config"]["size"] == len(files[config_file])
    assert json.loads(files[config_file])["config"]["Healthcheck"]["Test"] == ["CMD", "emotion-edge-healthcheck"]
    (for_docker,) = json.loads(files["manifest.json"])
    assert (for_docker["Config"], for_docker["RepoTags"]) == (config_file, ["emotion-edge:1"])
    assert [files[layer] for layer in for_docker["Layers"]] == [b"a layer"]


def test_image_is_refused_by_the_sentence_with_which_an_installation_says_that_its_checks_fail():
    steps = (ROOT / "systemd" / "steps.sh").read_text(encoding="utf-8")
    make_image = (ROOT / "scripts" / "make-image").read_text(encoding="utf-8")
    (sentence,) = re.findall(r'grep -q "\^([^"]+)" "\$log"', make_image)
    assert f'say "{sentence} ' in steps

"""Packs an OCI image layout into one archive that docker, podman and skopeo load.

python image_archive.py LAYOUT NAME:TAG OUTPUT SECONDS, with SECONDS as SOURCE_DATE_EPOCH. The layout is umoci's, with
one image. Two things are added that umoci does not write:

- the check of /healthz, as `Healthcheck` in the image's configuration. OCI reserves this property for Docker's use
  (image-spec, config.md); docker checks by it, podman by --health-cmd alone.
- manifest.json, by which docker loads an archive where it keeps images in its older store, which reads no OCI index.

The index names the image as docker and podman show it.
"""

import hashlib
import json
import sys
import tarfile
from pathlib import Path
from typing import Any, Final

_SECOND: Final = 1_000_000_000
"""Docker counts in nanoseconds."""
HEALTHCHECK: Final = {
    "Test": ["CMD", "emotion-edge-healthcheck"],
    "Interval": 30 * _SECOND,
    # Its own limit for the answer is 5 s; a small board needs a second more to start Python.
    "Timeout": 10 * _SECOND,
    # Opening a camera may take 15 s, the first answer of a broker as long, and a slow board loads for as long again.
    "StartPeriod": 60 * _SECOND,
    "Retries": 3,
}


def complete(layout: Path, name: str) -> dict[str, Any]:
    """Put the check into the configuration of the layout's image, and `name` into the index; return the manifest."""
    index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
    (entry,) = index["manifests"]
    manifest: dict[str, Any] = json.loads(_blob(layout, entry["digest"]).read_text(encoding="utf-8"))
    config = json.loads(_blob(layout, manifest["config"]["digest"]).read_text(encoding="utf-8"))
    config["config"]["Healthcheck"] = HEALTHCHECK
    _replace(layout, manifest["config"], config)
    _replace(layout, entry, manifest)
    entry["platform"] = {"architecture": config["architecture"], "os": config["os"]}
    # podman names a loaded image by the first, containerd, and docker with its store, by the second.
    entry["annotations"] = {"org.opencontainers.image.ref.name": name, "io.containerd.image.name": f"localhost/{name}"}
    (layout / "index.json").write_text(json.dumps(index), encoding="utf-8")
    return manifest


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / Path(*digest.split(":"))


def _replace(layout: Path, descriptor: dict[str, Any], content: dict[str, Any]) -> None:
    """Write a changed blob in place of the one that `descriptor` names, and make it name the new one."""
    data = json.dumps(content).encode()
    _blob(layout, descriptor["digest"]).unlink()
    descriptor["digest"], descriptor["size"] = f"sha256:{hashlib.sha256(data).hexdigest()}", len(data)
    _blob(layout, descriptor["digest"]).write_bytes(data)


def pack(layout: Path, name: str, output: Path, seconds: int) -> None:
    """Write the archive: files in the order of their names, without owner, with one time for all."""
    manifest = complete(layout, name)
    files = {
        "Config": _blob(layout, manifest["config"]["digest"]),
        "RepoTags": [name],
        "Layers": [_blob(layout, one["digest"]) for one in manifest["layers"]],
    }
    text = json.dumps([files], default=lambda path: path.relative_to(layout).as_posix())
    (layout / "manifest.json").write_text(text, encoding="utf-8")

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime, member.mode = seconds, 0o755 if member.isdir() else 0o644
        return member

    with tarfile.open(output, "w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(layout.rglob("*")):
            archive.add(path, path.relative_to(layout).as_posix(), recursive=False, filter=plain)


if __name__ == "__main__":
    folder, image, target, epoch = sys.argv[1:]
    pack(Path(folder), image, Path(target), int(epoch))

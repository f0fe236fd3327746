"""Writes what a Debian package needs beside its content: debian/, man pages and the shells' completion.

python debian_files.py TREE VERSION MINOR SUITE, in the checkout. TREE is the folder of the package's content, with the
wheels in it; VERSION Debian's; MINOR that of the release's Python. The templates are in distribution/debian. postrm
contains systemd/removal.sh, because the package's own files are gone when it runs.
"""

import email.message
import email.parser
import email.utils
import os
import re
import shutil
import sys
import time
import zipfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Final

import shtab
from argparse_manpage.manpage import Manpage

from edge.commands.arguments import parser

MAINTAINER: Final = "emotion-edge developers <developers@emotion-edge.example>"
TEMPLATES: Final = Path("distribution/debian")
REMOVAL: Final = Path("systemd/removal.sh")
_SECTION: Final = "1"
_CONFIGURED: Final = r"""_emotion_edge_configured() {
  find /etc/emotion-edge -name '*.toml' ! -name config.toml -printf '%f\n' 2>/dev/null | sed 's/\.toml$//'
}
"""
_INSTANCES: Final = {
    "bash": "_emotion_edge_instances",
    "zsh": "_emotion_edge_instances",
    "preamble": {
        "bash": _CONFIGURED + '_emotion_edge_instances() { compgen -W "$(_emotion_edge_configured)" -- "$1"; }',
        "zsh": _CONFIGURED + '_emotion_edge_instances() { compadd -- ${(f)"$(_emotion_edge_configured)"}; }',
    },
}
"""Completes the name of an instance by the files of the configuration (docs/install.md)."""
_LONGEST_LICENCE: Final = 60
"""Characters of a licence's name; what is longer is its text."""


def metadata_of(wheel: Path) -> email.message.Message:
    """Return the metadata of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(one for one in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", one))
        return email.parser.Parser().parsestr(archive.read(name).decode("utf-8"))


def licence_of(metadata: email.message.Message) -> str:
    """Return the licence that a wheel states, in one line."""
    stated = metadata["License-Expression"] or metadata["License"] or ""
    if not stated or "\n" in stated or len(stated) > _LONGEST_LICENCE:  # some put the whole text there
        classifiers = [one for one in metadata.get_all("Classifier", []) if one.startswith("License ::")]
        stated = classifiers[0].rpartition(" :: ")[2] if classifiers else "stated in the wheel"
    return str(stated).strip()


def copyright_of(wheels: list[Path]) -> str:
    """Return the stanzas of debian/copyright that name each wheel with its authors and its licence."""
    stanzas, licences = [], set()
    for wheel in wheels:
        metadata = metadata_of(wheel)
        if metadata["Name"].replace("_", "-") == "emotion-edge":
            continue
        author = metadata["Author"] or email.utils.parseaddr(metadata["Author-email"] or "")[0]
        name = re.sub(r"[^A-Za-z0-9.+-]+", "-", licence_of(metadata)).strip("-")
        licences.add(name)
        stanzas.append(
            f"Files: wheels/{wheel.name.split('-')[0]}-*\n"
            f"Copyright: {author or 'the authors of ' + metadata['Name']}\nLicense: {name}\n"
        )
    texts = [
        f"License: {name}\n The text is in the *.dist-info folder of each wheel that names this licence.\n"
        for name in sorted(licences - {"Apache-2.0"})
    ]
    return "\n" + "\n".join([*stanzas, *texts])


def write_man_pages(folder: Path, version: str) -> None:
    """Write a page for the program and one for each of its commands, from their help."""
    whole = parser()
    commands = commands_of(whole)
    names = {one.prog.replace(" ", "-"): (one, summary) for one, summary in commands}
    pages = {whole.prog: (whole, "sensor that publishes the expressions of faces over MQTT"), **names}
    for name, (one, summary) in pages.items():
        page = Manpage(one, format="single-commands-section")
        page.prog, page.section, page.description = name, _SECTION, summary
        page.source = f"emotion-edge {version.partition('+')[0]}"
        page.manual = "User commands"
        page.date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"])))
        others = [other for other in pages if other != name]
        page.add_section(
            "see also", "=", ", ".join(f".BR {other} ({_SECTION})" for other in others).replace(", ", ",\n")
        )
        (folder / f"{name}.{_SECTION}").write_text(str(page), encoding="utf-8")


def commands_of(whole: ArgumentParser) -> list[tuple[ArgumentParser, str]]:
    """Return the parser of each command, with its line in the help."""
    (commands,) = (one for one in whole._actions if isinstance(one.choices, dict))  # noqa: SLF001 - no other way
    summaries = {one.dest: str(one.help) for one in commands._get_subactions()}  # noqa: SLF001
    return [(one, summaries[name]) for name, one in dict(commands.choices or {}).items()]


def completion_of(whole: ArgumentParser, shell: str) -> str:
    """Return the completion of a shell, with files where one is asked for, and the names of instances."""
    rest = [whole]
    while rest:
        for action in rest.pop()._actions:  # noqa: SLF001 - no other way
            if isinstance(action.choices, dict):
                rest.extend(action.choices.values())
            elif action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # what shtab asks for
            elif action.dest == "name":
                action.complete = _INSTANCES  # type: ignore[attr-defined]
    return str(shtab.complete(whole, shell))


def main(tree: Path, version: str, minor: int, suite: str) -> None:
    """Write all of it below `tree`."""
    os.environ["COLUMNS"] = "80"
    debian = tree / "debian"
    values = {
        "MAINTAINER": MAINTAINER,
        "PYTHON_DEPENDS": f"python3 (>= 3.{minor}~), python3 (<< 3.{minor + 1})",
        "REMOVAL": REMOVAL.read_text(encoding="utf-8"),
        "WHEELS": copyright_of(sorted((tree / "wheels").glob("*.whl"))),
    }
    for file in sorted(TEMPLATES.iterdir()):
        if file.name == "emotion-edge":
            continue
        target = debian / file.name.removesuffix(".in")
        text = file.read_text(encoding="utf-8")
        target.write_text(re.sub(r"@([A-Z_]+)@", lambda found: values[found[1]], text), encoding="utf-8")
        shutil.copymode(file, target)
    date = email.utils.formatdate(int(os.environ["SOURCE_DATE_EPOCH"]), usegmt=False)
    (debian / "changelog").write_text(
        f"emotion-edge ({version}) {suite}; urgency=medium\n\n"
        "  * What is new is in /usr/share/doc/emotion-edge/CHANGELOG.md.\n\n"
        f" -- {MAINTAINER}  {date}\n",
        encoding="utf-8",
    )
    for folder in ("man", "completion"):
        (tree / folder).mkdir()
    write_man_pages(tree / "man", version)
    for shell, name in (("bash", "emotion-edge"), ("zsh", "_emotion-edge")):
        (tree / "completion" / name).write_text(completion_of(parser(), shell), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])

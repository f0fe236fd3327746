"""Keeps pictures of people out of what gets published."""

import shutil
import subprocess
from pathlib import Path

from convert.errors import ConvertError


def check_private(folder: Path) -> None:
    """Raise ConvertError where what is written into `folder` could be committed.

    That is: where it lies in a git work tree and git does not say that it is ignored. The folder need
    not exist yet.
    """
    target = folder.absolute().resolve()
    standing = next(parent for parent in (target, *target.parents) if parent.is_dir())
    tree = next((parent for parent in (standing, *standing.parents) if (parent / ".git").exists()), None)
    if tree is None:
        return
    git = shutil.which("git")
    if git is None:
        msg = f"{folder} lies in the git work tree {tree}, and there is no git to ask whether it is ignored"
        raise ConvertError(msg)
    # What counts is a file in it: git ignores files, and a folder's pattern may end with a slash.
    command = [git, "-C", str(standing), "check-ignore", "-q", str(target / "errors.html")]
    if subprocess.run(command, capture_output=True, check=False).returncode:  # noqa: S603 - git itself
        msg = (
            f"{folder} lies in the git work tree {tree} and is not ignored, but the report shows photographs of "
            f"people: choose a folder below runs/ or outside"
        )
        raise ConvertError(msg)

"""Preview servers on real sockets, as fixtures."""

from collections.abc import Callable, Iterator

import pytest

from support.preview import TOKEN, Site


@pytest.fixture
def make_site() -> Iterator[Callable[..., Site]]:
    """Start preview servers on free ports; stop them after the test."""
    sites = []

    def make(**options: object) -> Site:
        sites.append(Site(**options))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """One preview server for all tests of a file that leave no state behind."""
    one = Site()
    yield one
    one.close()


@pytest.fixture(scope="module")
def token_site() -> Iterator[Site]:
    """One preview server that needs the token, for all tests of a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOTION_EDGE_PREVIEW_TOKEN", TOKEN)
        one = Site(host="0.0.0.0")  # noqa: S104 - what the token is for
    yield one
    one.close()

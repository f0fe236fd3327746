import pytest

from support.preview import Site


@pytest.fixture
def make_site():
    """Makes pages on free ports, and stops them after the test."""
    sites = []

    def make(**options):
        sites.append(Site(**options))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


@pytest.fixture(scope="module")
def site():
    """One page for the tests of a file that leave nothing behind."""
    one = Site()
    yield one
    one.close()

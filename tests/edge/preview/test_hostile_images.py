"""Spoiled pictures without number, as quickly as they come: each is read or refused, and nothing else happens."""

import itertools
import logging
from collections import Counter

from support.hostile_images import PROPER, Hostile
from support.preview import Tracebacks, actor, encoded

COUNT = 600
MOST_GROWTH_MB = 200
"""A picture of 25 million pixels, decoded, takes 25; what decoders keep beside it, a multiple."""


def peak_mb(*, anew=False):
    if anew:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write("5")  # proc(5): resets the peak
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024


def test_spoiled_pictures(site):
    tracebacks = Tracebacks()
    logging.getLogger().addHandler(tracebacks)
    before = peak_mb(anew=True)
    statuses = Counter()
    try:
        for kind, data in itertools.islice(Hostile(6, site.port, "").pictures(), COUNT):
            answer = site.upload(data)
            assert answer.status in PROPER, kind
            if answer.status == 200:
                assert answer.record[0]["sentence"]
            else:
                assert answer.json["error"].startswith("Not read: "), kind
            statuses[answer.status] += 1
    finally:
        logging.getLogger().removeHandler(tracebacks)
    assert tracebacks.seen == []
    assert peak_mb() - before < MOST_GROWTH_MB
    # The set is what it claims to be: some can be read, some are cut off or damaged, some too large, some no picture.
    assert {200, 413, 415, 422} <= set(statuses)
    content, _ = site.upload(encoded(actor("happy"))).record
    assert [face["emotion"] for face in content["faces"]] == ["happy"]

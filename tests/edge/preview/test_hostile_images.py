"""Hundreds of damaged pictures in quick succession: each is inspected or refused, with bounded memory and no error."""

import itertools
import logging
from collections import Counter

from support.hostile_images import EXPECTED_STATUSES, HostileRequests
from support.preview import WarningCollector, actor, encoded

COUNT = 300
MAX_GROWTH_MB = 200
"""A decoded picture of 25 million pixels takes 25 MB; the buffers of its decoder take a multiple of that."""


def peak_mb(*, reset=False):
    if reset:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write("5")  # proc(5): resets the peak
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024


def test_damaged_pictures_are_inspected_or_refused(site):
    warnings = WarningCollector()
    logging.getLogger().addHandler(warnings)
    before = peak_mb(reset=True)
    statuses = Counter()
    try:
        for kind, data in itertools.islice(HostileRequests(6, site.port, "").pictures(), COUNT):
            answer = site.upload(data)
            assert answer.status in EXPECTED_STATUSES, kind
            if answer.status == 200:
                assert answer.record[0]["sentence"]
            else:
                assert answer.json["error"].startswith("Not read: "), kind
            statuses[answer.status] += 1
    finally:
        logging.getLogger().removeHandler(warnings)
    assert warnings.lines == []
    assert peak_mb() - before < MAX_GROWTH_MB
    # The set has all kinds: readable, too large, no picture, cut off or damaged.
    assert {200, 413, 415, 422} <= set(statuses)
    content, _ = site.upload(encoded(actor("happy"))).record
    assert [face["emotion"] for face in content["faces"]] == ["happy"]

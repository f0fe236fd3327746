"""Splits of given faces, and a progress callback that checks its arguments."""

import numpy as np

from convert.data.fer2013 import LABELS, Split


def split_of(images):
    """Returns a split of the given faces, whose true labels are all labels in turn."""
    count = len(images)
    leader = np.arange(count) % len(LABELS)
    votes = np.eye(len(LABELS), dtype=np.float32)[leader]
    agreement = np.ones(count, dtype=np.float32)
    return Split("synthetic", images, votes, leader, leader, leader, agreement, np.arange(100, 100 + count))


def ignore_progress(done, total):
    assert 0 <= done <= total

import pytest

from edge.capture.cameras.video_nodes import VideoNodes
from support.fake_v4l2 import FakeKernel


@pytest.fixture
def machine(tmp_path):
    """Makes a machine with video nodes: the kernel, and the nodes as the program sees them."""

    def make(nodes=None):
        kernel = FakeKernel(tmp_path, nodes)
        return kernel, VideoNodes(kernel.dev, kernel.sysfs, kernel.ioctl, kernel.open_file)

    return make

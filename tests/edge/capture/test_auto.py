import errno

import pytest

from edge.capture.auto import ACTOR, AutoSource, CameraChoice, is_auto
from edge.capture.backends.picamera import RibbonCamera
from edge.capture.cameras.find import find_cameras
from edge.capture.cameras.video_nodes import VideoNodes
from edge.capture.open import create_source
from edge.capture.source import SourceOptions
from edge.config.schema import SourceConfig
from edge.errors import SourceError, SourceLostError
from support.fake_v4l2 import FakeKernel, Node, pi4, pi5, webcam
from support.sources import ManualCamera

ID = "v4l2:usb-046d_HD_Pro_Webcam_C920_EE6C2C9F-video-index0"
OPTIONS = SourceOptions(SourceConfig())
NO_PICAMERA2 = SourceError("picamera2 cannot be used here")


class World:
    """A machine whose cameras the test decides. `busy`: URIs that cannot be opened; `made`: those opened, in order."""

    def __init__(self, root, nodes=None, ribbon=NO_PICAMERA2):
        self.kernel = FakeKernel(root, nodes)
        self.nodes = VideoNodes(self.kernel.dev, self.kernel.sysfs, self.kernel.ioctl, self.kernel.open_file)
        self.ribbon, self.busy, self.made, self.told = ribbon, set(), [], []

    def list_ribbon(self, *, details):
        assert not details
        if isinstance(self.ribbon, SourceError):
            raise self.ribbon
        return self.ribbon

    def make(self, uri):
        if uri == ACTOR:
            source = create_source(uri, OPTIONS)
        else:
            error = SourceError(f"The camera {uri} cannot be opened") if uri in self.busy else None
            source = ManualCamera(open_error=error)
            source.uri = uri
        self.made.append(uri)
        return source

    def choice(self, *, broker=False):
        return CameraChoice(
            self.make,
            may_play_actor=not broker,
            tell=self.told.append,
            find=lambda: find_cameras(self.nodes, self.list_ribbon),
            devices=self.nodes.devices,
        )


class Clock:
    def __init__(self):
        self.now, self.slept = 100.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def frames_of(source, count):
    return [source.read() for _ in range(count)]


def opened(choice):
    source = AutoSource(choice)
    source.open()
    return source


@pytest.mark.parametrize("uri", ["auto:", "AUTO:"])
def test_uri_in_any_case_is_understood(uri):
    assert is_auto(uri)
    assert create_source(uri, OPTIONS).live


@pytest.mark.parametrize("uri", ["auto:0", "auto://x"])
def test_something_behind_the_colon_is_refused(uri):
    with pytest.raises(SourceError, match=f'The source "{uri}" is of no known kind: nothing may follow "auto:"'):
        create_source(uri, OPTIONS)


@pytest.mark.parametrize("uri", ["auto", "automatic.mp4", "scripted:", "0", ""])
def test_other_sources_are_not_auto(uri):
    assert not is_auto(uri)


def test_ribbon_camera_comes_before_usb_cameras_which_come_by_name(tmp_path):
    usb = dict(enumerate(webcam(serial="B2"))) | {4: webcam(serial="A1", port="3")[0]}
    world = World(tmp_path / "usb", pi4() | {key + 40: node for key, node in usb.items()})
    assert opened(world.choice()).uri == ID.replace("EE6C2C9F", "A1")
    world = World(
        tmp_path / "ribbon", pi4() | {key + 40: node for key, node in usb.items()}, [RibbonCamera(0, "imx708")]
    )
    assert opened(world.choice(broker=True)).uri == "picamera:0"
    assert world.told == []


def test_camera_that_cannot_be_opened_is_passed_over_and_told(tmp_path):
    world = World(tmp_path, dict(enumerate(webcam())), [RibbonCamera(0, "imx708")])
    world.busy = {"picamera:0"}
    assert opened(world.choice()).uri == ID
    assert world.told == ["The camera picamera:0 cannot be opened; the next camera is taken"]
    world.busy.add(ID)
    with pytest.raises(SourceError, match=f"The camera picamera:0 cannot be opened; The camera {ID} cannot be opened"):
        opened(world.choice())


def test_camera_of_a_run_stays_that_camera(tmp_path):
    world = World(tmp_path, dict(enumerate(webcam())))
    choice = world.choice()
    opened(choice).close()
    # Another camera is there meanwhile, and the first in the order; it is not taken.
    world.ribbon = [RibbonCamera(0, "imx708")]
    world.busy = {ID}
    with pytest.raises(SourceError, match=f"The camera {ID} cannot be opened"):
        opened(choice)
    world.busy = set()
    assert opened(choice).uri == ID
    assert set(world.made) == {ID}


def test_actor_plays_while_there_is_no_camera_and_is_told_once(tmp_path):
    world = World(tmp_path, {19: pi4()[19], 0: Node("x", "X", "b", 0)})
    choice = world.choice()
    source = opened(choice)
    assert source.live
    assert source.uri == ACTOR
    assert source.read().luma.shape == (480, 640)
    source.close()
    opened(choice)
    (told,) = world.told
    assert told.startswith("no camera is connected: the built-in actor plays, and its events are made up")


def test_with_a_broker_the_actor_never_plays(tmp_path):
    world = World(tmp_path)
    with pytest.raises(SourceError, match=r'No camera is connected: source\.uri = "auto:" needs one'):
        opened(world.choice(broker=True))
    assert world.made == world.told == []
    with pytest.raises(SourceError, match="No camera is connected"):
        AutoSource(CameraChoice(world.make, may_play_actor=False, find=lambda: find_cameras(world.nodes))).open()


@pytest.mark.parametrize("board", [pi4, pi5])
def test_ribbon_camera_that_cannot_be_used_is_named_as_the_cause(tmp_path, board):
    world = World(tmp_path, board())
    opened(world.choice())
    assert world.told[0].startswith("picamera2 cannot be used here: the built-in actor plays")


def test_camera_that_this_user_may_not_open_is_named_as_the_cause(tmp_path):
    node = Node("", "", "", 0, open_error=errno.EACCES)
    world = World(tmp_path, {0: node})
    with pytest.raises(
        SourceError, match=r"/dev/video0 may not be opened by this user .*: source\.uri = \"auto:\" needs"
    ):
        opened(world.choice(broker=True))
    opened(world.choice())
    assert "video0 may not be opened by this user (no permission)" in world.told[0]


def test_actor_plays_at_its_own_pace_and_gives_way_to_a_camera(tmp_path):
    world, clock = World(tmp_path, pi5()), Clock()
    source = AutoSource(world.choice(), clock, clock.sleep)
    source.open()
    frames = frames_of(source, 60)
    assert clock.now - 100.0 == pytest.approx(frames[-1].seconds)
    assert all(0 < seconds <= 1 / 15 + 1e-9 for seconds in clock.slept)
    assert frames[-1].captured_monotonic > frames[0].captured_monotonic
    # A node that is no camera changes nothing; nor does a camera before the next look.
    world.kernel.plug(30, webcam()[1])
    world.kernel.plug(31, webcam()[0])
    with pytest.raises(SourceLostError) as caught:
        frames_of(source, 60)
    assert str(caught.value) == f"A camera was connected ({ID}) and takes the place of the built-in actor"
    assert clock.now - 100.0 == pytest.approx(5.0, abs=0.1)
    source.close()
    assert opened(world.choice()).uri == ID


def test_read_needs_an_open_source_and_close_may_be_repeated(tmp_path):
    source = AutoSource(World(tmp_path).choice())
    source.close()
    with pytest.raises(RuntimeError, match="not open"):
        source.read()

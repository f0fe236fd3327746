"""Declares the configuration: every table, and the keys of all but those in the other `*_schema`."""

from typing import Annotated, Literal

from msgspec import Meta, field

from edge.config.archive_schema import ArchiveConfig
from edge.config.desired_schema import DesiredConfig
from edge.config.mqtt_schema import HomeAssistantConfig, MqttConfig, RequestsConfig
from edge.config.privacy_schema import IndicatorConfig, NoticeConfig, PrivacyConfig
from edge.config.section import Section
from edge.polygon import Point

MAX_SEARCH_WIDTH_PX = 4096
"""Largest value of `detector.search_width_px`."""


class DeviceConfig(Section, frozen=True, kw_only=True):
    """Identity of this sensor."""

    id: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9_-]{0,64}$",
            description="Identifier of this sensor in MQTT topics. Empty: derived from the machine id, and for an "
            "instance of the service from its name.",
            examples=["hall"],
        ),
    ] = ""
    name: Annotated[str, Meta(max_length=64, description="Display name of this sensor.", extra={"reload": True})] = (
        "Emotion sensor"
    )


class SourceConfig(Section, frozen=True, kw_only=True):
    """Where frames come from."""

    uri: Annotated[
        str,
        Meta(
            min_length=1,
            description="Source of the frames: auto: for the first camera that is found, picamera:0, v4l2:NAME "
            "(emotion-edge cameras lists the names), v4l2:/dev/video0, 0, rtsp://HOST/PATH, http://HOST/PATH, a file, "
            "a folder, or scripted: for the built-in actor. http:// may be a stream or a snapshot.",
        ),
    ] = "scripted:"
    width: Annotated[int, Meta(ge=64, le=4096, description="Frame width requested from a camera, in pixels.")] = 640
    height: Annotated[int, Meta(ge=48, le=3072, description="Frame height requested from a camera, in pixels.")] = 480
    fps: Annotated[
        float,
        Meta(
            ge=0,
            le=120,
            description="Frames per second requested from a camera, or at which images are played or snapshots are "
            "asked for. 0: the source's own rate, which a video always has; that of the actor is in its URI "
            "(scripted:?fps=15).",
        ),
    ] = 0.0
    rotate: Annotated[Literal[0, 90, 180, 270], Meta(description="Clockwise rotation of every frame, in degrees.")] = 0
    flip: Annotated[Literal["none", "horizontal", "vertical"], Meta(description="Mirroring of every frame.")] = "none"
    stall_seconds: Annotated[
        float,
        Meta(
            ge=0.5,
            le=300,
            description="Seconds without a frame after which a camera is opened again; three frames at least.",
        ),
    ] = 5.0


class DetectorConfig(Section, frozen=True, kw_only=True):
    """How faces are detected."""

    kind: Annotated[
        Literal["haar", "yunet", "mtcnn"],
        Meta(
            description='What finds faces; "haar": the cascades alone; "yunet", "mtcnn": together with a network, '
            "which finds more and needs a file or a package (docs/detectors.md).",
        ),
    ] = "haar"
    yunet_file: Annotated[
        str,
        Meta(
            description='Path of YuNet\'s ONNX file, for kind = "yunet". Empty: the file in '
            "~/.local/share/emotion-edge, else in /etc/emotion-edge.",
            examples=["/home/pi/face_detection_yunet_2026may.onnx"],
            extra={"file": True},
        ),
    ] = ""
    cascade: Annotated[
        str,
        Meta(
            description="Path of the Haar cascade that detects faces. Empty: OpenCV's frontal face cascade.",
            examples=["/usr/share/opencv4/haarcascades/haarcascade_frontalface_alt2.xml"],
            extra={"file": True},
        ),
    ] = ""
    confirm_cascade: Annotated[
        str,
        Meta(
            description="Path of a second Haar cascade that verifies each face. Empty: OpenCV's frontal face cascade "
            '"alt"; "none": faces are not verified.',
            examples=["none"],
            extra={"file": True},
        ),
    ] = ""
    search_width_px: Annotated[
        int,
        Meta(
            ge=120,
            le=MAX_SEARCH_WIDTH_PX,
            description="Width to which wider frames are reduced for the search, in pixels. No face is found that has "
            "fewer than 24 pixels then.",
        ),
    ] = 480
    scale_factor: Annotated[
        float, Meta(ge=1.01, le=2, description="Ratio between one face size that is searched and the next.")
    ] = 1.1
    neighbours: Annotated[
        int,
        Meta(
            ge=0,
            le=50,
            description="Number of overlapping detections that make a face in a still picture. A stream needs half as "
            "many, or only one where a second cascade verifies faces.",
        ),
    ] = 3
    min_face: Annotated[
        float,
        Meta(
            ge=0.02,
            le=1,
            description="Smallest face that is searched for, as a share of the frame's shorter side. For smaller ones "
            "than 0.1 raise search_width_px too.",
        ),
    ] = 0.1
    max_face: Annotated[
        float,
        Meta(ge=0.02, le=1, description="Largest face that is searched for, as a share of the frame's shorter side."),
    ] = 1.0


class ModelConfig(Section, frozen=True, kw_only=True):
    """Which network classifies the faces."""

    name: Annotated[
        str,
        Meta(min_length=1, description='Model: "normal" or "small", which are shipped, or the path of a .tflite file.'),
    ] = "normal"
    threads: Annotated[int, Meta(ge=1, le=16, description="Threads of the model's interpreter.")] = 1
    max_faces: Annotated[
        int,
        Meta(
            ge=1,
            le=32,
            description="Maximum number of faces classified per frame; the largest come first.",
            extra={"reload": True},
        ),
    ] = 8
    runtime: Annotated[
        Literal["auto", "ai-edge-litert", "tflite-runtime"],
        Meta(description='Package that provides the interpreter; "auto": the best one that is installed.'),
    ] = "auto"


class TrackerConfig(Section, frozen=True, kw_only=True):
    """When a face counts as present, and when as gone.

    `confirm_seconds`: with six frames for the search and three verifications by the second cascade a new face is
    announced within 400 ms at 25 frames a second; with 0.3, the value before, within 450.
    """

    confirm_seconds: Annotated[
        float, Meta(ge=0, le=10, description="Seconds for which a face must be in view before it is announced.")
    ] = 0.15
    confirm_hits: Annotated[
        int, Meta(ge=1, le=100, description="Number of times that a face must be detected before it is announced.")
    ] = 3
    lost_seconds: Annotated[
        float,
        Meta(
            ge=0.1,
            le=60,
            description="Seconds without a detection after which a face counts as gone; three frames at least.",
        ),
    ] = 1.5
    box_smoothing_seconds: Annotated[
        float, Meta(ge=0, le=5, description="Time constant of the smoothing of face boxes, in seconds. 0: none.")
    ] = 0.15


class EventsConfig(Section, frozen=True, kw_only=True):
    """When a change of expression is announced.

    The first three are chosen by `emotion-convert events` (rule and grid: `convert.event_tuning.grid_search`) for the
    model that ships. On 330 changes of PublicTest faces, at 25 frames a second, they announce 88 % and 0.8
    false ones a minute, half of the right ones within 0.8 s; without any of the three it is 98 % and 123. The
    optimum is flat: 0 to 0.05, 0.5 to 0.8 or 0 to 0.4, one at a time, stay within two points of F1.
    """

    smoothing_seconds: Annotated[
        float,
        Meta(ge=0, le=10, description="Time constant of the smoothing of label probabilities, in seconds. 0: none."),
    ] = 0.0
    dwell_seconds: Annotated[
        float,
        Meta(ge=0, le=30, description="Seconds for which another label must lead by events.margin to be announced."),
    ] = 0.6
    margin: Annotated[
        float, Meta(ge=0, le=1, description="Probability by which another label must lead to be announced.")
    ] = 0.3
    unknown_below: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(
            description='Probability below which the label is "unknown". Unset: the threshold of the model.',
            examples=[0.5],
        ),
    ] = None


class SummaryConfig(Section, frozen=True, kw_only=True):
    """What is kept of minutes, hours and days (docs/summary.md).

    `min_visits`: five is the least count that statistical offices usually publish of a group of people.
    """

    enabled: Annotated[bool, Meta(description="Whether summaries are kept, published and shown.")] = True
    min_visits: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            description="Number of visits below which a summary withholds figures by emotion. 0: it withholds none.",
            extra={"reload": True},
        ),
    ] = 5
    keep_days: Annotated[
        int, Meta(ge=1, le=3660, description="Days for which the hours are kept; the minutes are kept for two.")
    ] = 400


class HealthConfig(Section, frozen=True, kw_only=True):
    """How often the sensor reports its health."""

    interval_seconds: Annotated[float, Meta(ge=0.2, le=3600, description="Seconds between two health messages.")] = 10.0


class BudgetConfig(Section, frozen=True, kw_only=True):
    """The latency that the sensor keeps.

    Where frames take too long it steps down the ladder of `edge.levels`, and up again when there is room:
    full, seldom (the whole frame is searched half as often), coarse (in larger steps of size), one-face
    (the network classifies one face per frame, in turn). Less work does not help where frames wait for a processor
    that other programs keep busy; `priority` does.
    """

    latency_ms: Annotated[
        float,
        Meta(
            ge=1,
            le=10_000,
            description="Limit of the 99th percentile of the time from capture to broker, in milliseconds. "
            "Where frames take longer, the sensor does less work per frame.",
            extra={"reload": True},
        ),
    ] = 100.0
    priority: Annotated[
        Literal["auto", "normal"],
        Meta(
            description='Scheduling priority; "auto": the lowest real-time priority, where the system allows it and '
            "as long as the sensor takes less than half of all processors."
        ),
    ] = "auto"


class PreviewConfig(Section, frozen=True, kw_only=True):
    """The preview page, which shows what the sensor sees. It needs the extra `preview` (docs/preview.md).

    `max_picture_megapixels`: a progressive JPEG takes up to six bytes per pixel while it is decoded, so that
    25 million need at most 150 MB; phones' pictures have 12 by default. The page makes larger ones smaller.
    """

    enabled: Annotated[bool, Meta(description="Whether the preview page is served.")] = False
    probes: Annotated[
        bool,
        Meta(description="Whether /healthz and /metrics are served also where the page is off; they hold no picture."),
    ] = False
    host: Annotated[
        str,
        Meta(min_length=1, description="Address that the page listens on; any but a loopback address needs a token."),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Meta(ge=0, le=65_535, description="TCP port that the page is served on. 0: a free port, named in the log."),
    ] = 8377
    names: Annotated[
        str,
        Meta(
            description="Host names of the page besides this machine's own, separated by commas.",
            examples=["sensor.example.org,hall.local"],
        ),
    ] = ""
    token_file: Annotated[
        str,
        Meta(
            description="File that holds the page's token. Empty: the token is taken from $EMOTION_EDGE_PREVIEW_TOKEN, "
            "else from the systemd credential preview-token.",
            examples=["/etc/emotion-edge/preview-token"],
            extra={"secret": True},
        ),
    ] = ""
    fps: Annotated[
        float,
        Meta(ge=0.2, le=30, description="Maximum pictures per second on the page; fewer while the sensor is busy."),
    ] = 10.0
    width_px: Annotated[
        int,
        Meta(ge=160, le=1920, description="Width to which wider pictures are reduced for the page, in pixels."),
    ] = 640
    max_watchers: Annotated[
        int, Meta(ge=1, le=32, description="Maximum number of pages that are open at the same time.")
    ] = 12
    max_upload_mb: Annotated[
        int, Meta(ge=1, le=64, description="Largest picture that may be uploaded to the page, in megabytes.")
    ] = 16
    max_picture_megapixels: Annotated[
        float, Meta(ge=0.1, le=100, description="Largest picture that may be uploaded to the page, in megapixels.")
    ] = 25.0


ValenceWeight = Annotated[float, Meta(ge=-1, le=1)]
"""Weight of a label for valence."""


class Config(Section, frozen=True, kw_only=True):
    """The whole configuration. Tables and keys of the TOML file have the same names."""

    device: DeviceConfig = field(default_factory=DeviceConfig)
    source: SourceConfig = field(default_factory=SourceConfig)
    detector: Annotated[DetectorConfig, Meta(extra={"reload": True})] = field(default_factory=DetectorConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    labels: Annotated[
        dict[str, list[str]],
        Meta(description='Groups of labels, as in positive = ["happy", "surprise"].', extra={"reload": True}),
    ] = field(default_factory=dict)
    valence: Annotated[
        dict[str, ValenceWeight],
        Meta(description="Weights of labels for valence, as in surprise = 0.2.", extra={"reload": True}),
    ] = field(default_factory=dict)
    masks: Annotated[
        dict[str, list[Point]],
        Meta(
            description="Areas of the picture that are black before anything looks at it, by name: corners in shares "
            "of the camera's picture, before source.rotate and source.flip.",
            extra={"reload": True},
        ),
    ] = field(default_factory=dict)
    zones: Annotated[
        dict[str, list[Point]],
        Meta(description="Areas whose name the faces in them carry, given as masks are.", extra={"reload": True}),
    ] = field(default_factory=dict)
    tracker: Annotated[TrackerConfig, Meta(extra={"reload": True})] = field(default_factory=TrackerConfig)
    events: Annotated[EventsConfig, Meta(extra={"reload": True})] = field(default_factory=EventsConfig)
    mqtt: MqttConfig = field(default_factory=MqttConfig)
    homeassistant: HomeAssistantConfig = field(default_factory=HomeAssistantConfig)
    requests: RequestsConfig = field(default_factory=RequestsConfig)
    desired: DesiredConfig = field(default_factory=DesiredConfig)
    summary: SummaryConfig = field(default_factory=SummaryConfig)
    health: Annotated[HealthConfig, Meta(extra={"reload": True})] = field(default_factory=HealthConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    preview: PreviewConfig = field(default_factory=PreviewConfig)
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)
    indicator: IndicatorConfig = field(default_factory=IndicatorConfig)
    notice: NoticeConfig = field(default_factory=NoticeConfig)
    archive: ArchiveConfig = field(default_factory=ArchiveConfig)

"""The configuration: what can be set, in which unit and range, with its default."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One table of the file: unknown keys are errors."""


class DeviceConfig(Section, frozen=True, kw_only=True):
    """Who this sensor is."""

    id: Annotated[
        str, Meta(pattern="^[A-Za-z0-9_-]{0,64}$", description="Id in topics; empty: from the machine id.")
    ] = ""
    name: Annotated[str, Meta(max_length=64, description="Name for people.")] = "Emotion sensor"


class SourceConfig(Section, frozen=True, kw_only=True):
    """Where frames come from."""

    uri: Annotated[
        str,
        Meta(
            min_length=1, description="picamera:0, v4l2:/dev/video0, 0, rtsp://, http://, a file, a folder, scripted:"
        ),
    ] = "scripted:"
    width: Annotated[int, Meta(ge=64, le=4096, description="Width asked of a camera, pixels.")] = 640
    height: Annotated[int, Meta(ge=48, le=3072, description="Height asked of a camera, pixels.")] = 480
    fps: Annotated[
        float, Meta(ge=0, le=120, description="Frames per second asked of a camera or given to images; 0: its own.")
    ] = 0.0
    rotate: Annotated[Literal[0, 90, 180, 270], Meta(description="Clockwise turn of every frame, degrees.")] = 0
    flip: Annotated[Literal["none", "horizontal", "vertical"], Meta(description="Mirror every frame.")] = "none"
    stall_seconds: Annotated[
        float, Meta(ge=0.5, le=300, description="A camera without a frame for this long is opened again.")
    ] = 5.0


class DetectorConfig(Section, frozen=True, kw_only=True):
    """How faces are searched."""

    cascade: Annotated[str, Meta(description="Path of a Haar cascade; empty: OpenCV's frontal face.")] = ""
    confirm_cascade: Annotated[
        str,
        Meta(
            description='Path of a second cascade that must agree; empty: OpenCV\'s "alt"; "none": no second opinion.'
        ),
    ] = ""
    search_width_px: Annotated[
        int, Meta(ge=120, le=4096, description="Wider frames are reduced to this width for the search.")
    ] = 480
    scale_factor: Annotated[float, Meta(ge=1.01, le=2, description="Step between the sizes searched.")] = 1.1
    neighbours: Annotated[
        int,
        Meta(
            ge=0,
            le=50,
            description="Overlapping hits that make a face in a picture; in a stream, where fewer fit, half as many "
            "without a second cascade, and one hit where it decides.",
        ),
    ] = 5
    min_face: Annotated[
        float, Meta(ge=0.02, le=1, description="Smallest face, as a share of the frame's shorter side.")
    ] = 0.1
    max_face: Annotated[
        float, Meta(ge=0.02, le=1, description="Largest face, as a share of the frame's shorter side.")
    ] = 1.0


class ModelConfig(Section, frozen=True, kw_only=True):
    """Which network reads the faces."""

    name: Annotated[str, Meta(min_length=1, description="A shipped model, or the path of a .tflite file.")] = "normal"
    threads: Annotated[int, Meta(ge=1, le=16, description="Threads of the interpreter.")] = 1
    max_faces: Annotated[int, Meta(ge=1, le=32, description="Faces read per frame, largest first.")] = 8
    runtime: Annotated[
        Literal["auto", "ai-edge-litert", "tflite-runtime"], Meta(description="Interpreter; auto: the best installed.")
    ] = "auto"


class TrackerConfig(Section, frozen=True, kw_only=True):
    """When a face counts as there, and when as gone.

    `confirm_seconds`: with six frames for the search and three questions to the second cascade a new face is
    announced within 400 ms at 25 frames a second; with 0.3, the value before, within 450.
    """

    confirm_seconds: Annotated[
        float, Meta(ge=0, le=10, description="A face is announced once it has been seen for this long.")
    ] = 0.15
    confirm_hits: Annotated[int, Meta(ge=1, le=100, description="... and at least this often.")] = 3
    lost_seconds: Annotated[float, Meta(ge=0.1, le=60, description="A face unseen for this long has left.")] = 1.5
    box_smoothing_seconds: Annotated[float, Meta(ge=0, le=5, description="Time constant of the boxes.")] = 0.15


class EventsConfig(Section, frozen=True, kw_only=True):
    """When a change of expression counts.

    The first three are chosen by `emotion-convert events` (rule and grid: `convert.eventstudy.study`) for the
    model that ships. On 330 changes of PublicTest faces, at 25 frames a second, they announce 85 % and 0.9
    false ones a minute, half of the right ones within 0.7 s; without any of the three it is 98 % and 142. The
    optimum is flat: 0 to 0.05, 0.5 to 0.8 or 0.1 to 0.4, one at a time, stay within two points of F1.
    """

    smoothing_seconds: Annotated[float, Meta(ge=0, le=10, description="Time constant of the probabilities.")] = 0.0
    dwell_seconds: Annotated[float, Meta(ge=0, le=30, description="A label changes after another led for this.")] = 0.5
    margin: Annotated[float, Meta(ge=0, le=1, description="... by at least this much probability.")] = 0.4
    unknown_below: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description='Confidence under which a face is "unknown"; unset: the manifest\'s.'),
    ] = None


class MqttConfig(Section, frozen=True, kw_only=True):
    """Where events go. Without a `url` they are written to standard output as JSON Lines."""

    url: Annotated[str, Meta(description="mqtt://HOST:PORT or mqtts://HOST:PORT; empty: no broker.")] = ""
    username: Annotated[str, Meta(description="User name; empty: none.")] = ""
    password_file: Annotated[
        str, Meta(description="File that holds the password; else $EMOTION_EDGE_MQTT_PASSWORD, else the credential.")
    ] = ""
    ca_file: Annotated[str, Meta(description="PEM file of the authorities to trust; empty: the system's.")] = ""
    cert_file: Annotated[str, Meta(description="PEM file of our own certificate; empty: none.")] = ""
    key_file: Annotated[str, Meta(description="PEM file of its key.")] = ""
    base_topic: Annotated[
        str, Meta(pattern="^[^#+/\\x00][^#+\\x00]{0,127}$", description="First part of every topic.")
    ] = "emotion-edge"
    keepalive_seconds: Annotated[int, Meta(ge=5, le=3600, description="Longest silence on the connection.")] = 30
    reconnect_max_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="Longest wait between two tries to connect.")
    ] = 60.0
    outbox_directory: Annotated[
        str,
        Meta(
            description="Folder of events that wait; empty: $STATE_DIRECTORY or $XDG_STATE_HOME/emotion-edge; "
            '"none": memory only.'
        ),
    ] = ""
    outbox_max_events: Annotated[
        int, Meta(ge=10, le=100_000, description="Events kept while the broker is away; past that the oldest go.")
    ] = 10_000
    outbox_max_age_hours: Annotated[
        float, Meta(ge=0.1, le=8760, description="... and past this age, counted while the sensor runs.")
    ] = 168.0
    replay_per_second: Annotated[
        float, Meta(ge=1, le=10_000, description="Events of a backlog sent per second once the broker is back.")
    ] = 50.0
    drain_seconds: Annotated[
        float, Meta(ge=0, le=60, description="How long a stop waits for the last acknowledgements.")
    ] = 5.0


class HomeAssistantConfig(Section, frozen=True, kw_only=True):
    """Whether Home Assistant finds this sensor by itself (MQTT discovery, 2024.11 and later)."""

    enabled: Annotated[bool, Meta(description="Announce this sensor to Home Assistant.")] = False
    discovery_prefix: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$",
            max_length=128,
            description="First part of the topics on which Home Assistant looks for devices.",
        ),
    ] = "homeassistant"
    status_topic: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$",
            max_length=128,
            description='Where it says "online" when it has started, and is told again.',
        ),
    ] = "homeassistant/status"


class RequestsConfig(Section, frozen=True, kw_only=True):
    """What may be asked over the broker: pause, resume, health, config. The broker decides who may ask."""

    enabled: Annotated[bool, Meta(description="Whether requests are listened to.")] = True
    per_second: Annotated[
        float, Meta(ge=0.1, le=100, description="Requests answered per second; two seconds' worth may come at once.")
    ] = 5.0


class HealthConfig(Section, frozen=True, kw_only=True):
    """How often the sensor reports on itself."""

    interval_seconds: Annotated[float, Meta(ge=0.2, le=3600, description="Seconds between two health messages.")] = 10.0


class BudgetConfig(Section, frozen=True, kw_only=True):
    """What the sensor promises.

    Where frames take too long it steps down the ladder of `edge.levels`, and up again when there is room:
    full, seldom (the whole picture is searched half as often), coarse (in larger steps of size), one-face
    (the network reads one face per frame, in turn). That is of no help where frames wait for a processor
    that other programs keep busy: `priority` is.
    """

    latency_ms: Annotated[
        float,
        Meta(
            ge=1,
            le=10_000,
            description="99th percentile of capture-to-broker time, milliseconds; kept by stepping down the levels.",
        ),
    ] = 100.0
    priority: Annotated[
        Literal["auto", "normal"],
        Meta(description="auto: the lowest real-time priority where the system allows it, below half its processors."),
    ] = "auto"


class PreviewConfig(Section, frozen=True, kw_only=True):
    """The page that shows what the sensor sees. It needs the extra `preview` (docs/preview.md).

    `max_picture_megapixels`: a progressive JPEG takes up to six bytes per pixel while it is decoded, so that
    25 million need at most 150 MB; phones' pictures have 12 by default. The page makes larger ones smaller.
    """

    enabled: Annotated[bool, Meta(description="Whether the page is served.")] = False
    host: Annotated[
        str, Meta(min_length=1, description="Address to listen at; any but this machine's own loopback needs a token.")
    ] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65_535, description="Port to listen at; 0: a free one, which the log names.")
    ] = 8377
    names: Annotated[
        str, Meta(description="Names under which the page is reached besides this machine's own, separated by commas.")
    ] = ""
    token_file: Annotated[
        str,
        Meta(description="File that holds the token; else $EMOTION_EDGE_PREVIEW_TOKEN, else the credential."),
    ] = ""
    fps: Annotated[
        float, Meta(ge=0.2, le=30, description="Pictures per second that watchers get at most; fewer under pressure.")
    ] = 10.0
    width_px: Annotated[int, Meta(ge=160, le=1920, description="Wider pictures are reduced to this width.")] = 640
    max_watchers: Annotated[int, Meta(ge=1, le=32, description="Pages that may watch at the same time.")] = 12
    max_upload_mb: Annotated[int, Meta(ge=1, le=64, description="Largest picture that is taken, million bytes.")] = 16
    max_picture_megapixels: Annotated[
        float, Meta(ge=0.1, le=100, description="... and its largest size, million pixels.")
    ] = 25.0


class PrivacyConfig(Section, frozen=True, kw_only=True):
    """What may leave this sensor at all. Nothing but the preview page ever shows a picture, and that only if asked for.

    There is no setting that lets a picture reach a disk or the broker: nothing here can put one there.
    """

    pictures: Annotated[
        bool,
        Meta(description="Whether preview.enabled may be set; false: no picture leaves this process, whoever asks."),
    ] = True


class Config(Section, frozen=True, kw_only=True):
    """Everything. Tables and keys of the TOML file have the same names."""

    device: DeviceConfig = field(default_factory=DeviceConfig)
    source: SourceConfig = field(default_factory=SourceConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    labels: Annotated[
        dict[str, list[str]], Meta(description='Groups of labels, as in positive = ["happy", "surprise"].')
    ] = field(default_factory=dict)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    events: EventsConfig = field(default_factory=EventsConfig)
    mqtt: MqttConfig = field(default_factory=MqttConfig)
    homeassistant: HomeAssistantConfig = field(default_factory=HomeAssistantConfig)
    requests: RequestsConfig = field(default_factory=RequestsConfig)
    health: HealthConfig = field(default_factory=HealthConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    preview: PreviewConfig = field(default_factory=PreviewConfig)
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)

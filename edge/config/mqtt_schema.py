"""Declares the configuration keys of the broker and of what is said over it: mqtt, homeassistant, requests."""

from typing import Annotated

from msgspec import Meta, field

from edge.config.section import Section


class MqttConfig(Section, frozen=True, kw_only=True):
    """Where events are published. Without a `url` they are written to standard output as JSON Lines.

    Where `urls` has addresses, `url` and `fallback_urls` hold the same (`edge.config.loader`).
    """

    url: Annotated[
        str,
        Meta(
            description="Address of the broker: mqtt://HOST:PORT, mqtts://HOST:PORT (TLS), ws://HOST:PORT/PATH or "
            "wss://HOST:PORT/PATH (WebSocket); the port is optional. Empty: no broker; events are written to standard "
            "output.",
            examples=["mqtt://broker.local"],
            extra={"broker_url": True},
        ),
    ] = ""
    urls: Annotated[
        list[Annotated[str, Meta(min_length=1, title="addresses")]],
        Meta(
            max_length=9,
            description="Addresses of several brokers, or of the nodes of a cluster, in place of mqtt.url and written "
            "like it: they are tried in turn, and the first that accepts the sensor is used. In an environment "
            "variable they are separated by commas.",
            examples=[["mqtt://broker1.local", "mqtt://broker2.local"]],
            extra={"broker_url": True},
        ),
    ] = field(default_factory=list)
    fallback_urls: Annotated[
        list[Annotated[str, Meta(min_length=1, title="addresses")]],
        Meta(
            max_length=8,
            description="Replaced by mqtt.urls: addresses to try in turn where mqtt.url cannot be used.",
            examples=[["mqtt://broker2.local"]],
            extra={"broker_url": True},
        ),
    ] = field(default_factory=list)
    return_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="Time with a later address after which the sensor tries whether an earlier one can be used "
            "again, and goes back to it, in seconds; up to half as long again, drawn at random. 0: it stays until the "
            "connection ends.",
        ),
    ] = 600.0
    client_id: Annotated[
        str,
        Meta(
            max_length=128,
            description="Client id of this sensor at the broker, which no other client may have. Empty: "
            '"emotion-edge-" and the device id.',
            examples=["sensor-hall"],
        ),
    ] = ""
    username: Annotated[
        str,
        Meta(description="User name at the broker. Empty: no user name.", examples=["sensor"], extra={"secret": True}),
    ] = ""
    password_file: Annotated[
        str,
        Meta(
            description="File that holds the password. Empty: the password is taken from $EMOTION_EDGE_MQTT_PASSWORD, "
            "else from the systemd credential mqtt-password.",
            examples=["/etc/emotion-edge/mqtt-password"],
            extra={"secret": True},
        ),
    ] = ""
    ca_file: Annotated[
        str,
        Meta(
            description="PEM file of the certificate authorities to trust. Empty: those of the operating system.",
            examples=["/etc/emotion-edge/ca.pem"],
        ),
    ] = ""
    cert_file: Annotated[
        str,
        Meta(
            description="PEM file of this sensor's client certificate. Empty: no client certificate.",
            examples=["/etc/emotion-edge/client.pem"],
        ),
    ] = ""
    key_file: Annotated[
        str,
        Meta(
            description="PEM file of the private key that belongs to mqtt.cert_file.",
            examples=["/etc/emotion-edge/client.key"],
            extra={"secret": True},
        ),
    ] = ""
    alpn: Annotated[
        list[Annotated[str, Meta(pattern=r"^[!-~]{1,255}$", title="protocol names")]],
        Meta(
            max_length=8,
            description="Protocol names for TLS ALPN with mqtts://, where a broker requires one, as AWS IoT on port "
            '443 requires "x-amzn-mqtt-ca". In an environment variable they are separated by commas.',
            examples=[["x-amzn-mqtt-ca"]],
        ),
    ] = field(default_factory=list)
    base_topic: Annotated[
        str, Meta(pattern="^[^#+/\\x00][^#+\\x00]{0,127}$", description="First part of every topic.")
    ] = "emotion-edge"
    keepalive_seconds: Annotated[
        int,
        Meta(ge=5, le=3600, description="MQTT keep-alive interval: longest time without a packet, in seconds."),
    ] = 30
    reconnect_max_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="Longest wait between two attempts to connect, in seconds.")
    ] = 60.0
    outbox_directory: Annotated[
        str,
        Meta(
            description="Folder of the outbox, the events that wait for the broker. Empty: $STATE_DIRECTORY, else "
            '$XDG_STATE_HOME/emotion-edge; "none": events wait in memory only.',
            examples=["/var/lib/emotion-edge"],
        ),
    ] = ""
    outbox_max_events: Annotated[
        int,
        Meta(
            ge=10, le=100_000, description="Maximum number of events in the outbox; beyond it the oldest are deleted."
        ),
    ] = 10_000
    outbox_max_age_hours: Annotated[
        float,
        Meta(ge=0.1, le=8760, description="Maximum age of events in the outbox, in hours of running time."),
    ] = 168.0
    replay_per_second: Annotated[
        float,
        Meta(ge=1, le=10_000, description="Events of a backlog sent per second once the broker is connected again."),
    ] = 50.0
    drain_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=60,
            description="Longest time that a stop waits for the acknowledgement of the last events, in seconds.",
            extra={"reload": True},
        ),
    ] = 5.0


class HomeAssistantConfig(Section, frozen=True, kw_only=True):
    """Whether Home Assistant finds this sensor by MQTT discovery (2024.11 and later)."""

    enabled: Annotated[bool, Meta(description="Whether this sensor announces itself to Home Assistant.")] = False
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
            description='Topic on which Home Assistant publishes "online" when it has started; '
            "the sensor then announces itself again.",
        ),
    ] = "homeassistant/status"


class RequestsConfig(Section, frozen=True, kw_only=True):
    """Whether the sensor takes requests from the broker, and which keys a request may set (docs/mqtt.md).

    The broker's access rules decide who may send them.
    """

    enabled: Annotated[bool, Meta(description="Whether the sensor takes requests from the broker.")] = True
    per_second: Annotated[
        float,
        Meta(ge=0.1, le=100, description="Requests answered per second on average; a burst may hold twice as many."),
    ] = 5.0
    settable: Annotated[
        list[Annotated[str, Meta(min_length=1, title="keys and tables")]],
        Meta(
            max_length=64,
            description="Keys that request/set may change, and tables for all of their keys that it can change. "
            "Empty: none. In an environment variable they are separated by commas.",
            examples=[["events", "budget.latency_ms"]],
            extra={"reload": True},
        ),
    ] = field(default_factory=list)

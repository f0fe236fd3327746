"""The MQTT client: connection, publish loop, handlers and the event outbox."""

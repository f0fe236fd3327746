"""The public MQTT contract: payloads, topics, JSON Schemas, and their text for people."""

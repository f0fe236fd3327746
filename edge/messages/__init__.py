"""The public MQTT contract: payloads, topics, JSON Schemas, and payloads as readable text."""

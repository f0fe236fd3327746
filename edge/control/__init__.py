"""Remote control over MQTT: requests, responses, and the persisted pause."""

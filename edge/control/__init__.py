"""Remote control over MQTT: requests, responses, and the stored pause."""

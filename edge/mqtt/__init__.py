"""Events to subscribers: topics, payloads, what is not yet acknowledged, and the connection."""

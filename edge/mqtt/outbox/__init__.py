"""The event outbox: events in order until the broker has acknowledged them, in memory and on disk."""

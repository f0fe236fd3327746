"""The soak: the real sensor, a real broker and `watch --verify` under faults at random (docs/testing.md)."""

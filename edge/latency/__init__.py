"""The latency budget: frame statistics, the level controller, and its governor."""

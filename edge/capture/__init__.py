"""Frame capture: sources by URI, the capture thread, and reconnection."""

"""From a frame to faces and events: pure computation, without I/O."""

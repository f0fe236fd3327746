"""Sources of frames, one module per library or kind of device."""

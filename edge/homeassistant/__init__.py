"""Home Assistant discovery: the device message, its entities, and its announcement."""

"""Home Assistant discovery: the discovery message, its entities, and when it is published or removed."""

"""`emotion-edge fleet`: every device that a broker knows, by trouble."""

"""Turns frames into faces and events: detection, tracking, classification, label filter. No input or output."""

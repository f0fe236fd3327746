"""The preview page: shows the live picture, faces and events in a browser. Loaded only if enabled (docs/preview.md)."""

"""The page that shows what the sensor sees. Imported only where it is asked for (docs/preview.md)."""

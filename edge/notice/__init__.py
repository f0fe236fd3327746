"""The printed sign for those who are seen: `emotion-edge notice` (docs/privacy.md)."""

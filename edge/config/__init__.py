"""Configuration: schema, loading, credentials and the state directory."""

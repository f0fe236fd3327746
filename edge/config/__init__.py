"""Configuration: schema, facts about keys, loading, credentials and the state directory."""

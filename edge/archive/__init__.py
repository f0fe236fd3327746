"""Keeps what sensors publish: from a subscription to rows of a database, and out of it again."""

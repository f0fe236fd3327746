"""Logging: set-up, lines about outages, and the output of native libraries."""

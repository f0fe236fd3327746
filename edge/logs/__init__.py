"""Logging: set-up, outage lines, and the output of native libraries."""

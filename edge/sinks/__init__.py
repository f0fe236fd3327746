"""Sinks: where the results of the pipeline go."""

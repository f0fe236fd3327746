"""Sinks: deliver the results of the pipeline."""

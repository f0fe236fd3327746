"""The scripted source: a drawn actor shows emotions on a schedule, without a camera."""

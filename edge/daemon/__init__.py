"""The daemon: wiring, main loop, health, watchdog and reload."""

"""The running sensor: wiring, main loop, outputs, health, watchdog and reload."""

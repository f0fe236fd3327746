"""The operating system: board sensors, sd_notify, signals and real-time priority."""

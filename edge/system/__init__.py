"""The operating system: board sensors, files, sd_notify, signals and real-time priority."""

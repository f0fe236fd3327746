"""`emotion-edge cameras`: lists the cameras of this machine, and why other video nodes are none."""

"""`emotion-edge bench`: what the sensor costs on this machine, beside what it competes with."""

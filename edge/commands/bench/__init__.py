"""`emotion-edge bench`: measures the sensor on this machine, beside a plain loop and the network alone."""

"""`python -m edge.mqtt.schemas`: write the schema files from the payload types."""

import sys

from edge.mqtt.schemas import write

for written in write():
    sys.stdout.write(f"{written}\n")

"""`python -m edge.messages.schemas`: write the schema files from the payload types."""

import sys

from edge.messages.schemas import write

for written in write():
    sys.stdout.write(f"{written}\n")

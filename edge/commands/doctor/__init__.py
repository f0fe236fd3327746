"""`emotion-edge doctor`: checks every part of the installation by using it."""

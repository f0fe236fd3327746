"""Makes the scripted actor's seven composite faces from FER2013."""

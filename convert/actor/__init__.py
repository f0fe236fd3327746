"""Makes the scripted actor: seven composite faces from FER2013, one per emotion."""

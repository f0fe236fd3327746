"""Makes the built-in actor: seven composite faces from FER2013, one per emotion."""

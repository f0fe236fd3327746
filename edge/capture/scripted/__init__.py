"""The scripted actor: a source of frames that needs no camera."""

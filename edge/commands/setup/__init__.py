"""`emotion-edge setup`: asks for camera and broker, tries both, writes the configuration and starts the service."""

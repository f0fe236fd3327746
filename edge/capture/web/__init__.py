"""What network cameras speak besides video: HTTP, its authentication, JPEG pictures in a row, and RTSP's answers."""

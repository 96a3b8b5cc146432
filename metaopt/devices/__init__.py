"""What a worker may use: one device a file."""

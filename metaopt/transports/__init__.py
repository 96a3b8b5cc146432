"""How rank 0 and the workers talk."""

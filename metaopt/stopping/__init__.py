"""Early stopping: one rule a file."""

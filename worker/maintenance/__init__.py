"""Background tasks of every worker."""

"""What a developer runs, one module each."""

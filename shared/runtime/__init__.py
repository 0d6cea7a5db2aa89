"""What a process needs to run: settings, Redis clients, logs, the checks before it starts."""

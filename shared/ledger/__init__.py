"""The truth about every message, in Redis: states, keys, steps and queries."""

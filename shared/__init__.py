"""The contract that the gateway and the worker both read; it imports neither."""

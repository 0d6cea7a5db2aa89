"""Clients of a simulator: for Python and for a terminal."""

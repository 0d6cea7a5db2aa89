"""Callbacks over HTTP: authenticate a request, read it within bounds, and answer it."""

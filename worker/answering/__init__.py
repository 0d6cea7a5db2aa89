"""Answering one message, from its lease to its end."""

"""Answering one message, from its lease to its outcome; `answerer` shows the way."""

"""Answers: routes a message to a skill, looks up, replies and delivers."""

"""Sending a reply to DingTalk, at most once, and finding out what became of it."""

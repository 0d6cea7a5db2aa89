"""Sending a reply to DingTalk, at most once, and reporting the outcome truly."""

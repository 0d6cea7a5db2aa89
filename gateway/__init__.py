"""Hears: verifies, stores and acknowledges what DingTalk sends."""

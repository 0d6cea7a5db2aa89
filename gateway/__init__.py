"""Verifies, stores and acknowledges what DingTalk sends."""

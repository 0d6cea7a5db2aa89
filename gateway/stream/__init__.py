"""Hears over Stream mode: connections that we open to DingTalk, so that no address is needed."""

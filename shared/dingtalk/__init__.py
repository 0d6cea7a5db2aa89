"""DingTalk's own formats: messages, replies, signatures and origins."""

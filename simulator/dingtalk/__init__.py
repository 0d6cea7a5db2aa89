"""What DingTalk does: its callbacks, its rules for replies, its limits and its faults."""

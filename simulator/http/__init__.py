"""The simulator's HTTP: DingTalk's callbacks and sessions, an API, and the page."""

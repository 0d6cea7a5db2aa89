"""The kits for tests of skills: ask one, call its hooks, or talk with it; no Redis, no network."""

"""Real processes for tests: a Valkey, the gateway, a worker and a simulator."""

"""Speaking to a simulator: from Python and in a terminal."""

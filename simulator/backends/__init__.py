"""Stand-ins for the backends of skills: they answer, and refuse, as the real ones do."""

"""Fakes of the skills' backends: they respond, and report errors, as the real ones do."""

"""What can stop a run."""


class BenchmarkError(Exception):
    """Something under test did not start, ended early or answered wrongly; the text says what."""

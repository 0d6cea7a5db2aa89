"""Running RQ jobs: fetch them, run many at once, and record how they ended."""

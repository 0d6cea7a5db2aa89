"""Running RQ jobs: fetching them, many at once, and writing down their ends."""

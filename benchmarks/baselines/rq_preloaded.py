"""RQ's command line with the jobs' modules imported first, so that what it forks need not."""

from rq.cli.cli import main

from benchmarks.baselines import with_rq  # noqa: F401 - importing it is the point

if __name__ == "__main__":
    main()

"""Fixtures that installing the package gives everybody's tests, and how Hypothesis judges."""

import hypothesis
import pytest

# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("without_deadline", deadline=None)
hypothesis.settings.load_profile("without_deadline")

pytest_plugins = ["dingda.pytest_plugin"]

_BROWSER_TESTS = "tests/browser/"


def pytest_unconfigure(config: pytest.Config) -> None:
    """End with a line on the browser tests that were skipped: nobody reads 150 skips."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # a process of xdist's
        return
    skipped = [
        report for report in reporter.stats.get("skipped", []) if _BROWSER_TESTS in report.nodeid
    ]
    if skipped:
        reporter.write_line(
            f"Skipped for want of Chromium: {len(skipped)} browser tests. To run them: "
            "apt install chromium, then make test-browser",
            yellow=True,
        )

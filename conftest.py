"""Gives our tests the fixtures that installing the package gives everybody's."""

pytest_plugins = ["dingda.pytest_plugin"]

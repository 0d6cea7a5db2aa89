"""Makes the simulated DingTalk's fixtures known to every test; see simulator/pytest_plugin.py."""

pytest_plugins = ["dingda.simulator.pytest_plugin"]

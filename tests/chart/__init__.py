"""The Helm chart: rendered by Helm's own code and checked against the schemas of its objects.

`make test-chart` installs what that takes, which is too large for the developers' environment.
"""

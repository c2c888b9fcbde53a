"""The earlier name of evolve.replay, kept for programs written for an older docs/python-api.md."""

from evolve.replay import replay as replay

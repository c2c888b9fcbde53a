"""The earlier name of evolve.replay, kept for programs that follow an older docs/python-api.md."""

from evolve.replay import replay as replay

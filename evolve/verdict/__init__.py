"""The end of a search: confirm the best, choose the winner, compare it with the defaults, write its file.

confirm.py trains the best again, leaders.py chooses the winner, verdict.py compares, winner.py is the winner's file.
"""

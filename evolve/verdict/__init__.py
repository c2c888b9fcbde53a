"""The end of a search: confirm the best, choose the winner, compare it with its opponents, write its file.

confirm.py trains the best again, leaders.py chooses the winner, verdict.py compares it with the defaults and with known
sets, winner.py is the winner's file.
"""

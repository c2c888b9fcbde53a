"""The end of a search: confirm the best, choose the winner, compare it with the defaults, write its file."""

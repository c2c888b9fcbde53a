"""The end of a search: the best are confirmed, the winner chosen, judged and written to its file."""

"""This process and its machine: terminal, signals, files written whole, passwords of addresses."""

"""The bodies of the `evolve` commands; each module is imported only when its command runs."""

"""Genetics: search spaces, genomes, operators, selection and the strategy. Pure: it trains nothing."""

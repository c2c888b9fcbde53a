"""Genetics: search spaces, genomes, operators, selection and the strategy; pure, no training."""

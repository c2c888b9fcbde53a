"""Reads and writes Darknet's files, `.weights` and `.cfg` (github.com/AlexeyAB/darknet, parser.c at 59596d78).

topology: a network's layers in Darknet's order; weights: the binary file; convert: its floats as weights by
"layer/weight" name; cfg: the text file; cfg_network: which of our networks a cfg describes; neighbours: finds the cfg
and names of a .weights file; importer, exporter: all files of a detector. No Keras and no TensorFlow.
"""

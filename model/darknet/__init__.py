"""Darknet's files: `.weights` and `.cfg`, in and out (github.com/AlexeyAB/darknet, parser.c at 59596d78).

topology: the layers of a network in Darknet's order; weights: the binary file; convert: between the two and weights by
"layer/weight" name; cfg: the text beside it. Needs numpy and the standard library alone; Keras and TensorFlow load
only in convert_command, where a network is built.
"""

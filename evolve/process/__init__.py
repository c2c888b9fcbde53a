"""This process: its terminal output, its signals, durable files, file locks, paths, passwords in addresses."""

"""This process: its terminal output, its signals, durable files, passwords in addresses."""

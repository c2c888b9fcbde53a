"""The training loop: compiled steps, loss, optimizer, schedule; and pre-training of the backbone."""

"""The training loop and what it is made of: losses, optimisers, state, reports."""

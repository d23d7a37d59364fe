"""Where in the sound somebody speaks, and whether it runs at the right rate."""

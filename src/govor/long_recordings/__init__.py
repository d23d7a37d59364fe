"""Recordings of any length: cut into what the network can take, recognised, and joined again."""

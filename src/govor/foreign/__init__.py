"""Doors to other runtimes: folders in which a model of Govor loads elsewhere, unchanged."""

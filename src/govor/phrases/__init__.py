"""Closed lists of phrases: their files, the decoder that hears one of them or none, thresholds, scores."""

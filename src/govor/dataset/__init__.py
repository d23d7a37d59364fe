"""From manifests and shards to batches: what is drawn, changed, cut, joined and padded."""

"""Speech corpora: one file per source, each turns what lies on disk into manifests."""

"""What the writer and the reader of a model file must agree on."""

FORMAT = 1
"""Raised when a reader of the former format could not use the file."""

METADATA_KEY = "govor"
"""Key of the JSON in the ONNX metadata: format, config, alphabet, normalization, provenance, decoding."""

"""Model files: ONNX that carries its whole configuration, written with torch and run without it."""

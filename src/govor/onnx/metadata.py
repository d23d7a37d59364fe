"""Write what was tuned for a model into the model's own file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from govor.errors import MissingExtraError
from govor.language import tr
from govor.onnx.format import METADATA_KEY
from govor.onnx.model import read_model_bytes


def update_decoding(path: Path | None, output: Path, entries: Mapping[str, Any]) -> None:
    """Copy the model at `path` (None: the shipped one) to `output` with `entries` put into its ``decoding``.

    Other entries and the network stay as they are; `output` may be `path`. Raises ModelNotFoundError, and
    MissingExtraError without the onnx package.
    """
    data, _ = read_model_bytes(path)
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError(
            tr(
                "нет onnx; поставьте: pip install 'govor[train]'",
                "no onnx; install it: pip install 'govor[train]'",
            )
        ) from error
    model = onnx.load_from_string(data)
    for entry in model.metadata_props:
        if entry.key == METADATA_KEY:
            metadata = json.loads(entry.value)
            metadata["decoding"] = {**(metadata.get("decoding") or {}), **entries}
            entry.value = json.dumps(metadata, ensure_ascii=False)
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(output.name + ".part")
    temporary.write_bytes(model.SerializeToString())
    temporary.replace(output)

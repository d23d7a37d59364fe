"""The program that adapts a model for the studio: one order on stdin, events as JSON lines on stdout.

It is a process of its own so that training neither slows recognition nor brings torch into the server, and
can be broken off. It ends when its stdin does: no orphan trains on after the server has died.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from govor.errors import GovorError
from govor.language import speaking, tr

if TYPE_CHECKING:
    from govor.adaptation import Adaptation

_NICENESS = 5


def main() -> int:
    """Carry out the order; return the exit code."""
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    with speaking(order["language"]):
        try:
            _adapt(Path(order["manifest"]), Path(order["output"]), order["model"])
        except (GovorError, OSError) as error:
            _tell(event="failed", message=str(error))
            return 1
        except MemoryError:
            _tell(event="failed", message=tr("не хватило памяти", "out of memory"))
            return 1
    return 0


def _end_with_parent() -> None:
    # Daemon threads must not read through sys.stdin: its lock would hang the interpreter's exit.
    while os.read(0, 4096):
        pass
    os._exit(3)


def _tell(**event: Any) -> None:
    print(json.dumps(event, ensure_ascii=False), flush=True)


def _adapt(manifest: Path, output: Path, model: str | None) -> None:
    _tell(event="preparing")
    from govor.manifest import BadLine, read_manifest

    bad: list[BadLine] = []
    own = list(read_manifest(manifest, bad))
    import torch

    from govor.adaptation import adapt
    from govor.config import AdaptationConfig
    from govor.corpora.rehearsal import unpack_rehearsal
    from govor.onnx.export import export_onnx
    from govor.onnx.weights import read_onnx

    torch.set_num_threads(1)
    settings = AdaptationConfig()

    def on_epoch(epoch: int, epochs: int, loss: float) -> None:
        _tell(event="epoch", epoch=epoch, epochs=epochs, loss=loss)

    _tell(event="epoch", epoch=0, epochs=settings.epochs, loss=None)
    with tempfile.TemporaryDirectory() as folder:
        practice = unpack_rehearsal(Path(folder))
        result = adapt(read_onnx(Path(model) if model else None), own, practice, settings, on_epoch)
    _tell(event="saving")
    helped = result.mixture > 0
    if helped:
        part = output.with_name(f".{output.name}.part")
        export_onnx(result.checkpoint, part)
        part.replace(output)
    _tell(event="done", figures={**_figures(result), "helped": helped, "num_bad_lines": len(bad)})


def _figures(result: Adaptation) -> dict[str, Any]:
    return {
        "before": [asdict(figures) for figures in result.before],
        "after": [asdict(figures) for figures in result.after],
        "num_trained": result.num_trained,
        "best_epoch": result.best_epoch,
        "mixture": result.mixture,
        "seconds": result.seconds,
        "left": [{"id": left.id, "reason": left.reason} for left in result.left],
    }


if __name__ == "__main__":
    sys.exit(main())

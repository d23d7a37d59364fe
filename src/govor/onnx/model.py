"""A model file: ONNX that carries its whole configuration, run by onnxruntime without torch."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from govor.config import Config, parse_config
from govor.errors import MissingExtraError, ModelError, ModelNotFoundError, system_reason
from govor.features import normalize
from govor.language import tr
from govor.onnx.format import FORMAT, METADATA_KEY
from govor.text.alphabet import Alphabet

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SHIPPED_MODEL = "small.onnx"


@dataclass(frozen=True)
class OnnxModel:
    """The network with all that its file says about it. Made by `load_onnx_model`."""

    config: Config
    alphabet: Alphabet
    provenance: dict[str, Any]
    """What the model was trained on and by what."""
    decoding: dict[str, Any]
    """Options of `BeamDecoder` that were tuned for this model; may be empty."""
    name: str
    """The file, for messages."""
    _session: Any = field(repr=False)
    output: str = "log_probs"
    """Which of the network's outputs `log_probs` reads."""

    def for_search(self) -> OnnxModel:
        """Return the model whose `log_probs` are for a beam search with a language model.

        They leave to it how letters follow each other, so by themselves they read worse. Itself where the
        network has one output only.
        """
        return replace(self, output="search_log_probs") if self.config.network.search_output else self

    def log_probs(self, features_list: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Run the network on features (T, F), not normalised, in one batch; return log_probs (T', V) each.

        Features without frames give log_probs without frames. Raises ModelError if the features have another
        width than the network, or it gives NaN.
        """
        width = self.config.features.num_cepstra
        for values in features_list:
            if values.ndim != 2 or values.shape[1] != width:
                raise ModelError(
                    tr(
                        f"{self.name}: признаки формы {values.shape}, а модели нужны (T, {width})",
                        f"{self.name}: features of shape {values.shape}, but the model needs (T, {width})",
                    )
                )
        results = [np.zeros((0, len(self.alphabet)), np.float32) for _ in features_list]
        kept = [i for i, values in enumerate(features_list) if len(values)]
        if not kept:
            return results
        lengths = np.array([len(features_list[i]) for i in kept], np.int64)
        batch = np.zeros((len(kept), int(lengths.max()), width), np.float32)
        for row, i in enumerate(kept):
            batch[row, : lengths[row]] = normalize(features_list[i])
        try:
            log_probs, num_frames = self._session.run(
                [self.output, "log_probs_lengths"], {"features": batch, "feature_lengths": lengths}
            )
        # onnxruntime has a dozen unrelated exception classes.
        except Exception as error:
            raise _broken(self.name, error) from error
        if log_probs.shape[-1] != len(self.alphabet):
            raise _wrong_alphabet_length(self.name, log_probs.shape[-1], self.alphabet)
        for row, i in enumerate(kept):
            results[i] = log_probs[row, : num_frames[row]]
            if np.isnan(results[i]).any():
                raise ModelError(
                    tr(
                        f"{self.name}: сеть выдала NaN; модель испорчена",
                        f"{self.name}: the network gave NaN",
                    )
                )
        return results


def load_onnx_model(path: Path | str | None = None, threads: int = 1) -> OnnxModel:
    """Load an ONNX model made by ``govor export``; without `path`, the one that comes with Govor.

    `threads` is how many processor threads the network may use. Raises ModelNotFoundError if there is no such
    file, ModelError if it is corrupt, of another format version, or not a Russian model of Govor.
    """
    data, name = read_model_bytes(path)
    # Else onnxruntime, as built for PyPI, gives the machine a number and reports to its maker: only what is
    # set before its import holds (its Privacy.md).
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            tr(
                f"нет onnxruntime ({error}); поставьте: pip install onnxruntime",
                f"no onnxruntime ({error}); install it: pip install onnxruntime",
            )
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # The arena keeps the largest batch's memory for ever; speech networks gain nothing from it.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    # Errors arrive as exceptions; on stderr they would only be noise.
    options.log_severity_level = 4
    try:
        # Its fallback would print to standard output and try the same again.
        session = onnxruntime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    # onnxruntime has a dozen unrelated exception classes.
    except Exception as error:
        raise _broken(name, error) from error
    metadata = _metadata(session, name)
    config = parse_config(metadata.get("config", {}), name)
    alphabet = _alphabet(metadata.get("alphabet"), name)
    _check_shapes(session, config, alphabet, name)
    return OnnxModel(
        config=config,
        alphabet=alphabet,
        provenance=_table(metadata, "provenance", name),
        decoding=_table(metadata, "decoding", name),
        name=name,
        _session=session,
    )


def shipped_models() -> dict[str, Traversable]:
    """Return the models that come with Govor, by name."""
    folder = _models_folder()
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".onnx")] if folder.is_dir() else []
    return {entry.name.removesuffix(".onnx"): entry for entry in sorted(found, key=lambda entry: entry.name)}


def _models_folder() -> Traversable:
    from importlib.resources import files

    return files("govor").joinpath("models")


def read_model_bytes(path: Path | str | None) -> tuple[bytes, str]:
    """Return a model file and its name for messages.

    `path` may be the bare name of a shipped model, such as ``seed``, unless a file is called so; without it
    the model is ``small``. Raises ModelNotFoundError.
    """
    if path is None:
        return _read_shipped(Path(SHIPPED_MODEL).stem)
    try:
        bare = Path(path).name == str(path) and not Path(path).suffix
        if bare and not Path(path).is_file():
            return _read_shipped(str(path))
        return Path(path).read_bytes(), str(path)
    except (OSError, ValueError) as error:
        if isinstance(error, ModelNotFoundError):
            raise
        reason = system_reason(error)
        raise ModelNotFoundError(
            tr(
                f"модель {path} не открывается ({reason}); проверьте путь",
                f"model {path} cannot be opened ({reason}); check the path",
            )
        ) from error


def _read_shipped(name: str) -> tuple[bytes, str]:
    shipped = shipped_models()
    if name not in shipped:
        listed = ", ".join(shipped) or "–"
        raise ModelNotFoundError(
            tr(
                f"модель {name} не открывается: нет такого файла, а поставляются {listed}; "
                "укажите свою: --model model.onnx",
                f"model {name} cannot be opened: there is no such file, and shipped are: {listed}; "
                "name your own: --model model.onnx",
            )
        )
    return shipped[name].read_bytes(), shipped[name].name


def _broken(name: str, error: Exception) -> ModelError:
    reason = " ".join(str(error).split())[:200]
    return ModelError(
        tr(
            f"модель {name} испорчена или не ONNX ({reason}); экспортируйте её заново: govor export",
            f"model {name} is corrupt or not ONNX ({reason}); export it again: govor export",
        )
    )


def _table(metadata: dict[str, Any], key: str, name: str) -> dict[str, Any]:
    table = metadata.get(key) or {}
    if not isinstance(table, dict):
        raise ModelError(
            tr(
                f"{name}: {key} в метаданных не таблица; экспортируйте модель заново: govor export",
                f"{name}: {key} of the metadata is no table; export the model again: govor export",
            )
        )
    return table


def _metadata(session: Any, name: str) -> dict[str, Any]:
    try:
        raw = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    except UnicodeDecodeError as error:
        raise _broken(name, error) from error
    names = {node.name for node in session.get_inputs()} | {node.name for node in session.get_outputs()}
    missing = {"features", "feature_lengths", "log_probs", "log_probs_lengths"} - names
    if raw is None or missing:
        raise ModelError(
            tr(
                f"{name}: ONNX, но не модель Govor; нужна сделанная командой govor export",
                f"{name}: ONNX but not a Govor model; use one made by govor export",
            )
        )
    try:
        metadata = json.loads(raw)
        version = metadata["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _broken(name, error) from error
    if version != FORMAT:
        raise ModelError(
            tr(
                f"{name}: формат модели {version!r}, читается {FORMAT}; обновите Govor или модель",
                f"{name}: model format {version!r}, supported {FORMAT}; update Govor or the model",
            )
        )
    return dict(metadata)


def _alphabet(symbols: Any, name: str) -> Alphabet:
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
        raise _broken(name, ValueError("alphabet"))
    try:
        alphabet = Alphabet(tuple(symbols))
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from error
    if symbols[1:2] != [" "] or not alphabet.letters:
        raise _broken(name, ValueError(f"alphabet {symbols[:10]}"))
    return alphabet


def _check_shapes(session: Any, config: Config, alphabet: Alphabet, name: str) -> None:
    shapes = {node.name: node.shape for node in (*session.get_inputs(), *session.get_outputs())}
    width, num_outputs = shapes["features"][-1], shapes["log_probs"][-1]
    if isinstance(width, int) and width != config.features.num_cepstra:
        raise ModelError(
            tr(
                f"{name}: сеть ждёт {width} признаков, а в её конфигурации {config.features.num_cepstra}",
                f"{name}: {width} network inputs, {config.features.num_cepstra} features configured",
            )
        )
    if isinstance(num_outputs, int) and num_outputs != len(alphabet):
        raise _wrong_alphabet_length(name, num_outputs, alphabet)


def _wrong_alphabet_length(name: str, num_outputs: int, alphabet: Alphabet) -> ModelError:
    return ModelError(
        tr(
            f"{name}: выходов {num_outputs}, а символов в алфавите {len(alphabet)}; экспортируйте заново",
            f"{name}: {num_outputs} outputs but {len(alphabet)} symbols in the alphabet; export it again",
        )
    )

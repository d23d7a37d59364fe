"""Our front end as an ONNX graph behind another runtime's log mel filterbank.

What `govor.features` does to mel powers is written here once more, in the text form of ONNX: noise and
silence removal frame by frame (`govor.features.noise`, `govor.features.silence`), cepstra, normalisation. The
network's answer is laid back on the frames that came in, so that runtimes count time and length as usual.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray
from onnx import numpy_helper

from govor.config import FeatureConfig
from govor.features import htk, noise, silence, sphinx
from govor.features.extraction import MIN_STD
from govor.features.frames import dct_matrix
from govor.foreign.normalized import DENORMALIZED, NUMBERS, usual_distances

Array = NDArray[np.float64]

# Batches are padded: nothing past an utterance is `inside` it.
_INSIDE = """
    num_frames = Shape <start = 1, end = 2> (log_mel)
    num_frames_0d = Squeeze(num_frames, axis_0)
    time = Range(zero, num_frames_0d, one)
    ends = Unsqueeze(mel_lengths, axis_1)
    inside = Less(time, ends)
"""

# Another runtime's bands -> our mel powers. A frame with nothing above the `least` is digital silence.
_POWERS = """
    exact = Exp(log_power)
    unguarded = Sub(exact, guard)
    their_power = Relu(unguarded)
    mel_heard = MatMul(their_power, weights)
    above_dither = Greater(mel_heard, least)
    above_number = Cast <to = 1> (above_dither)
    is_sound = ReduceMax <axes = [2], keepdims = 1> (above_number)
    mel = Mul(mel_heard, is_sound)
"""

# The names are those of noise.py and silence.py. State goes into a step as old_x and leaves it as x.
_TRACKING = """
    present = Unsqueeze(inside, axis_2)
    first_power = Gather <axis = 1> (mel, zero)
    low = Div(first_power, max_gain)
    no_peak = Sub(low, low)
    no_state = ReduceSum <keepdims = 1> (no_peak, axis_1)
    end_1, end_2, end_3, end_4, end_5, end_6, end_7, gain, speech, began, ended = Scan <
        num_scan_inputs = 2, scan_input_axes = [1, 1], scan_output_axes = [1, 1, 1, 1],
        body = step (
            float[B, M] old_power, float[B, M] old_noise, float[B, M] old_floor, float[B, M] old_peak,
            float[B, 1] old_level, float[B, 1] old_speaking, float[B, 1] old_run,
            float[B, M] mel_now, bool[B, 1] present_now
        ) => (
            float[B, M] power, float[B, M] noise, float[B, M] floor, float[B, M] peak,
            float[B, 1] level, float[B, 1] speaking, float[B, 1] run,
            float[B, M] gain_now, bool[B, 1] speaks_on, bool[B, 1] begins, bool[B, 1] finishes
        ) {
            kept_power = Mul(old_power, smoothing)
            fresh_power = Mul(mel_now, smoothing_rest)
            sum_power = Add(kept_power, fresh_power)
            power = Max(sum_power, tiny)

            slow_old = Mul(old_noise, rise)
            slow_new = Mul(power, rise_rest)
            slow = Add(slow_old, slow_new)
            fast_sum = Add(old_noise, power)
            fast = Mul(fast_sum, half)
            noise = Min(slow, fast)
            above = Sub(power, noise)
            signal = Max(above, unit)
            slow_floor_old = Mul(old_floor, rise)
            slow_floor_new = Mul(signal, rise_rest)
            slow_floor = Add(slow_floor_old, slow_floor_new)
            fast_floor_sum = Add(old_floor, signal)
            fast_floor = Mul(fast_floor_sum, half)
            floor = Min(slow_floor, fast_floor)

            some_noise = Max(noise, tiny)
            ratios = Div(power, some_noise)
            ratio = ReduceMax <axes = [1]> (ratios)
            log_ratio = Log(ratio)
            whole = ReduceSum(signal, axis_1)
            total = Log(whole)
            louder = Greater(total, old_level)
            decay = Where(louder, level_rise, level_decay)
            decayed = Mul(old_level, decay)
            rest = Sub(unit, decay)
            new = Mul(total, rest)
            level = Add(decayed, new)
            stands_out = GreaterOrEqual(log_ratio, snr_threshold)
            lowest = Sub(level, quiet_below_level)
            loud = GreaterOrEqual(total, lowest)
            heard_speech = And(stands_out, loud)
            is_speech = And(heard_speech, present_now)

            before = Mul(old_peak, peak_decay)
            peak = Max(before, signal)
            masking = Mul(before, peak_decay)
            is_masked = Less(signal, masking)
            masked = Mul(before, masked_part)
            unmasked = Where(is_masked, masked, signal)
            heard = Max(unmasked, floor)
            free_gain = Div(heard, power)
            bounded = Max(free_gain, min_gain)
            own_gain = Min(bounded, max_gain)
            gain_now = MatMul(own_gain, averaging)

            was_speaking = Greater(old_speaking, half)
            differs = Xor(is_speech, was_speaking)
            one_more = Add(old_run, unit)
            nought = Sub(old_run, old_run)
            long = Where(differs, one_more, nought)
            needed = Where(was_speaking, post_speech, start_speech)
            flips = GreaterOrEqual(long, needed)
            speaks_on = Xor(was_speaking, flips)
            speaking = Cast <to = 1> (speaks_on)
            run = Where(flips, nought, long)
            begins = And(flips, speaks_on)
            finishes = And(flips, was_speaking)
        }
    > (first_power, low, low, no_peak, no_state, no_state, no_state, mel, present)
"""

# An utterance takes the frames before its beginning too, back to the end of the one before.
_SILENCE = """
    began_number = Cast <to = 1> (began)
    began_last = Transpose <perm = [0, 2, 1]> (began_number)
    padded = Pad(began_last, look_back)
    near = MaxPool <kernel_shape = [21]> (padded)
    near_last = Transpose <perm = [0, 2, 1]> (near)
    soon = Greater(near_last, half)
    not_ended = Not(ended)
    leads = And(soon, not_ended)
    spoken = Or(speech, leads)
    spoken_flat = Squeeze(spoken, axis_2)
    kept = And(spoken_flat, inside)
"""

# The frames that are kept move together; what lies past them is zero.
_CEPSTRA = """
    guarded = Add(cleaned, log_floor)
    log_mel_ours = Log(guarded)
    cepstra = MatMul(log_mel_ours, to_cepstra)

    kept_number = Cast <to = 7> (kept)
    num_kept = CumSum(kept_number, axis)
    count = ReduceSum <keepdims = 0> (kept_number, axis_1)
    feature_lengths = Max(count, one)
    longest = ReduceMax <keepdims = 1> (feature_lengths)
    kept_shape = Shape <start = 1, end = 2> (kept)
    kept_frames = Squeeze(kept_shape, axis_0)
    kept_time = Range(zero, kept_frames, one)
    late = Sub(kept_frames, kept_time)
    bonus = Mul(kept_number, kept_shape)
    key = Add(late, bonus)
    key_float = Cast <to = 1> (key)
    sorted, order = TopK <axis = 1> (key_float, longest)
    place = Unsqueeze(order, axis_2)
    together = GatherND <batch_dims = 1> (cepstra, place)

    longest_0d = Squeeze(longest, axis_0)
    new_time = Range(zero, longest_0d, one)
    new_ends = Unsqueeze(feature_lengths, axis_1)
    within = Less(new_time, new_ends)
    within_number = Cast <to = 1> (within)
    mask = Unsqueeze(within_number, axis_2)
    frames_num = ReduceSum <keepdims = 1> (mask, axis_1)
    frames_kept = Mul(together, mask)
    frames_sum = ReduceSum <keepdims = 1> (frames_kept, axis_1)
    frames_mean = Div(frames_sum, frames_num)
    away = Sub(together, frames_mean)
    centred = Mul(away, mask)
    frames_square = Mul(centred, centred)
    sum_square = ReduceSum <keepdims = 1> (frames_square, axis_1)
    variance = Div(sum_square, frames_num)
    frames_std = Sqrt(variance)
    constant = Less(frames_std, min_std)
    divisor = Where(constant, unit, frames_std)
    features = Div(centred, divisor)
"""

# Row p tells of the network's last frame that begins before row p ends. A pause that was cut out holds the
# frame before it, so that collapsing repeats gives the text that it gives without the pause.
_LAYOUT = """
    laid_shape = Shape <start = 1, end = 2> (num_kept)
    laid_frames = Squeeze(laid_shape, axis_0)
    more = Add(laid_frames, stride_less_one)
    num_rows = Div(more, stride)
    row = Range(zero, num_rows, one)
    row_start = Mul(row, stride)
    row_end = Add(row_start, stride_less_one)
    last = Sub(laid_frames, one)
    at = Min(row_end, last)
    known = Gather <axis = 1> (num_kept, at)
    known_more = Add(known, stride_less_one)
    begun = Div(known_more, stride)
    index = Sub(begun, one)
    safe_index = Max(index, zero)
    laid_place = Unsqueeze(safe_index, axis_2)
    found = GatherND <batch_dims = 1> (network_log_probs, laid_place)
    begun_last = Unsqueeze(begun, axis_2)
    is_something = Greater(begun_last, zero)
    laid = Where(is_something, found, only_blank)
    lengths_more = Add(mel_lengths, stride_less_one)
    laid_lengths = Div(lengths_more, stride)
"""

_TEXT = """
<ir_version: 8, opset_import: ["" : 17]>
govor (float[B, T, X] log_mel, int64[B] mel_lengths) => (float[B, Q, V] laid, int64[B] laid_lengths)
{{
{nodes}
}}
"""
_NETWORK = "network_"
# Single precision ends at about 1e-38.
_TINY = 1e-30


def model_behind(
    network: onnx.ModelProto,
    config: FeatureConfig,
    num_symbols: int,
    stride: int,
    weights: Array,
    guard: float = 0.0,
    least: Array | None = None,
    normalized: bool = False,
) -> onnx.ModelProto:
    """Return `network` behind a log mel filterbank of another program, itself behind our front end.

    The result takes log_mel (B, T, X) and mel_lengths (B,) and gives laid (B, ceil(T / stride), V) and
    laid_lengths (B,). `log_mel` is the natural logarithm of powers plus `guard`, if `normalized` brought to
    mean 0 and variance 1 in every band; powers times `weights` (X, bands) are those in the bands of
    `config`, as `our_bands` makes them. A frame in which no band of ours has more than `least` (bands,)
    counts as silent.
    """
    ready = onnx.compose.add_prefix(network, _NETWORK).graph
    before = [_INSIDE, DENORMALIZED if normalized else "log_power = Identity(log_mel)", _POWERS]
    if config.remove_noise or config.remove_silence:
        before.append(_TRACKING)
    before.append("cleaned = Mul(mel, gain)" if config.remove_noise else "cleaned = Identity(mel)")
    before.append(_SILENCE if config.remove_silence else "kept = Identity(inside)")
    before += [
        _CEPSTRA,
        f"{_NETWORK}features = Identity(features)",
        f"{_NETWORK}feature_lengths = Identity(feature_lengths)",
    ]
    model = onnx.parser.parse_model(_TEXT.format(nodes="\n".join([*before, _LAYOUT])))
    after = onnx.parser.parse_model(_TEXT.format(nodes=_LAYOUT)).graph.node
    own = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*own[: -len(after)], *ready.node, *own[-len(after) :]])
    constants = {
        **_shared(num_symbols, stride),
        **_tracking(weights.shape[1]),
        **_cepstra(config),
        "weights": weights,
        "guard": np.array(guard),
        "log_guard": np.array(np.log(max(guard, _TINY))),
        "usual_distance": usual_distances(len(weights)),
        "least": np.full(weights.shape[1], -1.0) if least is None else least,
    }
    used = {name for node in _all_nodes(model.graph) for name in node.input}
    model.graph.initializer.extend(
        numpy_helper.from_array(_stored(value), name) for name, value in constants.items() if name in used
    )
    model.graph.initializer.extend(ready.initializer)
    model.producer_name = "govor"
    onnx.checker.check_model(model)
    return model


def _stored(value: NDArray[Any]) -> NDArray[Any]:
    return value.astype(np.int64 if value.dtype.kind == "i" else np.float32)


def _all_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    inner = [a.g for node in graph.node for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    return [*graph.node, *(node for part in inner for node in _all_nodes(part))]


def _shared(num_symbols: int, stride: int) -> Mapping[str, NDArray[np.int64] | Array]:
    only_blank = np.full(num_symbols, -100.0)
    only_blank[0] = 0.0
    whole = {
        "zero": 0,
        "one": 1,
        "axis": 1,
        "axis_0": [0],
        "axis_1": [1],
        "axis_2": [2],
        "number_0": [0],
        "number_1": [1],
        "number_less_1": [-1],
        "number_far": [np.iinfo(np.int64).max],
        "stride": stride,
        "stride_less_one": stride - 1,
        "look_back": [0, 0, 0, 0, 0, silence._PRE_SPEECH],
    }
    numbers = {"unit": 1.0, "half": 0.5, "min_std": MIN_STD, **NUMBERS}
    return {
        "only_blank": only_blank,
        **{name: np.array(value, np.int64) for name, value in whole.items()},
        **{name: np.array(value) for name, value in numbers.items()},
    }


def _tracking(bands: int) -> Mapping[str, Array]:
    numbers = {
        "smoothing": noise._SMOOTHING,
        "smoothing_rest": 1 - noise._SMOOTHING,
        "rise": noise._RISE,
        "rise_rest": 1 - noise._RISE,
        "level_rise": noise._LEVEL_RISE,
        "level_decay": noise._LEVEL_DECAY,
        "peak_decay": noise._PEAK_DECAY,
        "masked_part": noise._MASKED_PART,
        "max_gain": noise._MAX_GAIN,
        "min_gain": 1 / noise._MAX_GAIN,
        "snr_threshold": noise._SNR_THRESHOLD,
        "quiet_below_level": noise._QUIET_BELOW_LEVEL,
        "start_speech": silence._START_SPEECH,
        "post_speech": silence._POST_SPEECH,
        "tiny": _TINY,
    }
    return {
        "averaging": noise._averaging(bands),
        **{name: np.array(value, np.float64) for name, value in numbers.items()},
    }


def _cepstra(config: FeatureConfig) -> Mapping[str, Array]:
    """Return what turns the logarithms of our bands into cepstra."""
    dct = dct_matrix(config.num_filters, config.num_cepstra)
    if config.frontend == "sphinx":
        return {"to_cepstra": dct * sphinx._lifter(config), "log_floor": np.array(sphinx._LOG_FLOOR)}
    # Band 0 is the energy, which stands in for the first cepstrum.
    matrix = np.zeros((config.num_filters + 1, config.num_cepstra))
    matrix[1:] = dct * htk._lifter(config)
    matrix[:, 0] = 0.0
    matrix[0, 0] = 1.0
    return {"to_cepstra": matrix, "log_floor": np.array(htk._EPS)}

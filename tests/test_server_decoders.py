from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from govor.decoding.beam import BeamDecoder, shipped_language_model
from govor.errors import GovorError, ModelError
from govor.language_model import build, write_kenlm
from govor.recognizer import Recognizer
from govor.server.app import create_app
from govor.server.pool import FairPool
from govor.server.settings import ServerSettings
from govor.server.state import ServerState, Wishes
from running_server import FEMALE, MALE


def test_threads_that_share_the_search_give_the_texts_of_one_alone(recognizer: Recognizer) -> None:
    beam = recognizer.beam_decoder(shipped_language_model())
    decoders = [beam, beam.variant(hotwords=["бабушка"]), beam.variant(num_alternatives=5)]
    jobs = [(path, decoder) for path in (MALE, FEMALE) for decoder in decoders] * 4

    def text(job: Any) -> Any:
        transcript = recognizer.transcribe(*job)
        return transcript.text, transcript.alternatives

    alone = [text(job) for job in jobs]
    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(text, jobs)) == alone


def test_a_language_model_of_ones_own_serves_every_wish(
    recognizer: Recognizer, pool: FairPool, tmp_path: Path
) -> None:
    path = tmp_path / "my.klm"
    write_kenlm(build([["а", "а"]] * 3), path)
    state = ServerState(ServerSettings(language_model=path), recognizer, pool)
    plain, hot = state.decoder(Wishes()), state.decoder(Wishes(hotwords=("дом",)))
    assert isinstance(plain, BeamDecoder)
    assert isinstance(hot, BeamDecoder)
    assert plain._search is hot._search
    assert state.decoder(Wishes("greedy")) == "greedy"
    (tmp_path / "bad.klm").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"bad\.klm"):
        create_app(ServerSettings(language_model=tmp_path / "bad.klm"), recognizer)


@pytest.mark.parametrize(
    "wishes",
    [
        Wishes("magic"),
        Wishes(hotwords=("GPT",)),
        Wishes(hotwords=("слово",) * 201),
        Wishes(alternatives=21),
        Wishes(phrases=("да",) * 5001),
        Wishes(phrases=("(а|б|в|г|д|е|ж|з|и|к) " * 5,)),
        Wishes(phrases=("да " * 100_000,)),
    ],
)
def test_wishes_that_cannot_be_fulfilled_are_refused(
    recognizer: Recognizer, pool: FairPool, wishes: Wishes
) -> None:
    with pytest.raises(GovorError):
        ServerState(ServerSettings(), recognizer, pool).decoder(wishes)

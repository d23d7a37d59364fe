"""The course of a recording session: phrase after phrase, by keys or alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from govor.audio.level import level_db
from govor.audio.microphone import Microphone, play
from govor.cli.console import Terminal
from govor.cli.keys import Keys, pressed_keys
from govor.cli.recording_screen import Screen
from govor.corpora.recordings import RecordingFolder
from govor.corpora.takes import Progress, Take, find_problems, record_take
from govor.language import tr

# Speech that starts together with the key press is not cut.
_PREROLL_SECONDS = 0.5
_PAUSE_SECONDS = 0.3


class Session:
    """Shows phrases, records them and keeps what is fit."""

    def __init__(
        self, microphone: Microphone, folder: RecordingFolder, screen: Screen, timeout: float, attempts: int
    ) -> None:
        self.screen = screen
        self._microphone = microphone
        self._folder = folder
        self._timeout = timeout
        self._attempts = attempts
        self._num_kept = 0
        self._seconds = 0.0
        self._has_output = True

    def run_alone(self, phrases: Sequence[str]) -> int:
        """Record each phrase in turn, trying again what is refused; return how many were given up."""
        terminal = Terminal()
        num_failed = 0
        for number, phrase in enumerate(phrases, 1):
            self.screen.show_phrase(phrase, number, len(phrases))
            for _ in range(self._attempts):
                self._microphone.discard()
                take = self._listen(phrase)
                problems = find_problems(take, phrase)
                if not problems:
                    break
                self.screen.show_problems(problems)
            else:
                num_failed += 1
                terminal.fail(f"{phrase}: {problems[0].message}")
                continue
            self.screen.show_take(take)
            self._keep(phrase, take)
            time.sleep(_PAUSE_SECONDS)
        return num_failed

    def run_by_keys(self, phrases: Iterator[str], total: int | None) -> None:
        """Record phrases until they end or the user quits."""
        for number, phrase in enumerate(phrases, 1):
            self.screen.show_phrase(phrase, number, total)
            with pressed_keys() as keys:
                if not self._record_by_keys(phrase, keys):
                    return

    def show_summary(self) -> None:
        """Tell what this session has added."""
        total = len(self._folder.utterances)
        self.screen.say(
            tr(
                f"сохранено фраз: {self._num_kept} ({self._seconds:.0f} с); "
                f"всего в {self._folder.root}: {total}",
                f"phrases saved: {self._num_kept} ({self._seconds:.0f} s); "
                f"in {self._folder.root} altogether: {total}",
            )
        )

    def _record_by_keys(self, phrase: str, keys: Keys) -> bool:
        """Record one phrase as often as the user likes; return False to quit."""
        start, again = tr("начать", "start"), tr("заново", "again")
        skip, leave = tr("пропустить", "skip"), tr("выйти", "quit")
        self.screen.show_keys(("Enter", start), ("s", skip), ("q", leave))
        key = self._wait_for_key(keys, "\rsq")
        while key in ("\r", "r"):
            self._microphone.discard(_PREROLL_SECONDS)
            take = self._listen(phrase)
            problems = find_problems(take, phrase)
            if problems:
                # Keys hit while speaking are no answer to a question that was not asked yet.
                keys.forget()
                self.screen.show_problems(problems)
                self.screen.show_keys(("Enter", again), ("s", skip), ("q", leave))
                key = self._wait_for_key(keys, "\rrsq")
                continue
            keys.forget()
            self.screen.show_take(take)
            keep = ("Enter", tr("сохранить", "keep"))
            self.screen.show_keys(keep, ("r", again), ("s", skip), ("q", leave))
            key = self._play_back(take, keys) or self._wait_for_key(keys, "\rrsq")
            if key == "\r":
                self._keep(phrase, take)
                return True
        return key != "q"

    def _listen(self, phrase: str) -> Take:
        speak, hear = tr("● говорите", "● speak"), tr("● слышу", "● hearing")

        def show(progress: Progress) -> None:
            label = (hear, "bold green") if progress.speaking else (speak, "bold red")
            self.screen.show_level(label[0], progress, label[1])

        if not self.screen.is_live:
            self.screen.say(speak)
        with self.screen.meter():
            return record_take(
                self._microphone, self._microphone.sample_rate, phrase, show, start_timeout=self._timeout
            )

    def _wait_for_key(self, keys: Keys, wanted: str) -> str:
        """Show the level until one of the keys is pressed; so a dead microphone is seen beforehand."""
        label = tr("микрофон", "microphone")
        with self.screen.meter():
            for block in self._microphone:
                self.screen.show_level(label, Progress(level_db(block.samples), 0.0, 0.0, False), "dim")
                key = keys.poll()
                if key and key in wanted:
                    return key
        return "q"

    def _play_back(self, take: Take, keys: Keys) -> str:
        """Play the take; return the key that broke it off, or an empty string."""
        pressed = ""

        def should_stop() -> bool:
            nonlocal pressed
            key = keys.poll()
            if key and key in "\rrsq":
                pressed = key
            return bool(pressed)

        if self._has_output and not play(take.samples, take.sample_rate, should_stop):
            self._has_output = False
            self.screen.say(
                tr("  прослушать нельзя: нет устройства вывода", "  no playback: there is no output device"),
                "dim",
            )
        # The microphone has heard the loudspeaker.
        self._microphone.discard()
        return pressed

    def _keep(self, phrase: str, take: Take) -> None:
        utterance = self._folder.keep(phrase, take.samples)
        self._num_kept += 1
        self._seconds += utterance.duration
        if not self.screen.is_live:
            Terminal().results.print(str(utterance.audio_filepath), markup=False)

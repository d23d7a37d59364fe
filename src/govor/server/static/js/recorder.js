// The recording card of the studio: show a phrase, record it, judge it, keep it.
import { access, isRefusal } from "./access.js";
import { Capture, levelDb, MicrophoneError, RATE, showLevel } from "./capture.js";
import { announce, button, disable, make } from "./dom.js";
import { number, t } from "./language.js";
import { chosenMicrophone } from "./microphones.js";
import { toInt16 } from "./resampler.js";
import { request, Unreachable } from "./server.js";
import { SpeechWatch } from "./speech_watch.js";

const LONGEST_SECONDS = 60;
const TAIL_MS = 250;

export class Recorder {
  /** `keep(take)` stores a take {phrase, pcm, seconds, microphone}; `skip()` asks for another phrase. */
  constructor({ keep, skip }) {
    this.keepTake = keep;
    this.skipPhrase = skip;
    this.state = "idle"; // idle, opening, recording, checking, judged
    this.phrase = "";
    this.take = null;
    this.message = null; // [what makes the text, in the language of the moment; class]
    this.element = make("div");
    access.addEventListener("granted", () => {
      if (isRefusal(this.message?.[0])) this.say(() => t("state_idle"));
    });
    this.build();
  }

  build() {
    const focused = this.element.contains(document.activeElement) ? document.activeElement.id : "";
    this.promptLine = make("p", { class: "prompt", id: "prompt", lang: "ru" });
    this.meter = make(
      "div",
      { class: "meter studio-meter", role: "meter", "aria-label": t("level"), "aria-valuemin": -60, "aria-valuemax": 0, "aria-valuenow": -60 },
      make("span"),
    );
    this.record = button("", () => this.pressRecord(), "solid", { id: "studio-record", "aria-describedby": "prompt" });
    this.listen = button(t("listen"), () => this.play(), "soft", { id: "studio-listen" });
    this.keep = button(t("keep"), () => this.pressKeep(), "solid", { id: "studio-keep" });
    this.skip = button(t("skip_phrase"), () => this.pressSkip(), "quiet", { id: "studio-skip" });
    this.verdict = make("p", { class: "verdict", role: "status", id: "studio-verdict" });
    this.element.replaceChildren(
      make("p", { class: "note" }, t("prompt_label")),
      this.promptLine,
      this.meter,
      make("div", { class: "studio-row" }, this.keep, this.record, this.listen, this.skip),
      this.verdict,
    );
    this.update();
    if (focused) document.getElementById(focused)?.focus();
  }

  /** Whether something was said that is not stored anywhere yet. */
  get isUnsaved() {
    return ["recording", "checking"].includes(this.state) || (this.state === "judged" && !this.take.problems?.length);
  }

  show(phrase) {
    this.phrase = phrase;
    this.take = null;
    this.state = "idle";
    this.update();
  }

  update() {
    const { state, take, phrase } = this;
    this.promptLine.textContent = phrase || t("no_prompts");
    this.promptLine.classList.toggle("recording", state === "recording");
    const fine = take && !take.problems?.length;
    this.record.textContent = state === "recording" ? t("finish") : take ? t("record_again") : `● ${t("record")}`;
    this.record.className = fine ? "soft" : "solid";
    disable(this.record, !phrase || ["opening", "checking"].includes(state));
    this.keep.hidden = !fine || state !== "judged";
    this.listen.hidden = !take || state !== "judged";
    this.listen.textContent = t(this.player && !this.player.paused ? "stop_playing" : "listen");
    this.skip.hidden = !phrase;
    disable(this.skip, ["opening", "recording", "checking"].includes(state));
    const [words, kind] = this.message ?? [() => "", ""];
    const text = words();
    if (this.verdict.textContent !== text) this.verdict.textContent = text;
    this.verdict.className = `verdict ${kind}`;
  }

  /** Lead to the next step, but nobody away from what they do meanwhile. */
  lead(target) {
    const now = document.activeElement;
    if (now === document.body || this.element.contains(now)) target.focus();
  }

  say(words, kind = "") {
    this.message = [words, kind];
    this.update();
  }

  async pressRecord() {
    if (this.state === "recording") {
      // The last sound is still on its way when the button is pressed.
      setTimeout(() => this.finish(), TAIL_MS);
      return;
    }
    this.player?.pause();
    this.state = "opening";
    this.take = null;
    this.say(() => t("state_asking"));
    this.blocks = [];
    this.watch = new SpeechWatch(this.phrase);
    this.capture = new Capture((samples) => this.hear(samples));
    this.capture.addEventListener("lost", ({ detail }) => this.giveUp(detail));
    this.capture.addEventListener("silent", () => this.giveUp(() => t("microphone_silent")));
    try {
      await this.capture.start(chosenMicrophone());
    } catch (error) {
      if (!(error instanceof MicrophoneError)) throw error;
      this.giveUp(error.words);
    }
  }

  hear(samples) {
    if (this.state === "opening") {
      this.state = "recording";
      this.say(() => t("rec_waiting"));
    }
    if (this.state !== "recording") return;
    this.blocks.push(samples);
    showLevel(this.meter, levelDb(samples), 20 * Math.log10(samples.reduce((most, one) => Math.max(most, Math.abs(one)), 1e-6)));
    const over = this.watch.feed(samples);
    if (this.watch.speaking && this.message[1] !== "fine") this.say(() => t("rec_hearing"), "fine");
    if (over || this.watch.seconds >= LONGEST_SECONDS) this.finish();
  }

  async giveUp(reason) {
    await this.capture?.stop();
    this.capture = null;
    this.state = "idle";
    this.say(reason, "problem");
    this.lead(this.record);
  }

  async finish() {
    if (this.state !== "recording") return;
    this.state = "checking";
    this.say(() => t("rec_checking"));
    const { capture } = this;
    const microphone = capture.name;
    this.capture = null;
    await capture.stop();
    showLevel(this.meter, -60);
    const samples = new Float32Array(this.blocks.reduce((sum, block) => sum + block.length, 0));
    let place = 0;
    for (const block of this.blocks) {
      samples.set(block, place);
      place += block.length;
    }
    const take = { phrase: this.phrase, pcm: toInt16(samples), seconds: samples.length / RATE, microphone };
    await this.judge(take);
    this.take = take;
    this.state = "judged";
    this.update();
    this.lead(take.problems?.length ? this.record : this.keep);
  }

  async judge(take) {
    const form = new FormData();
    form.append("phrase", take.phrase);
    form.append("audio", new Blob([take.pcm]), "take.pcm");
    try {
      const verdict = await (await request("v1/voice/check", { method: "POST", body: form })).json();
      take.problems = verdict.problems;
      take.seconds = verdict.seconds || take.seconds;
      if (verdict.fine) this.message = [() => t("take_fine", { seconds: number(take.seconds, 1) }), "fine"];
      else this.message = [() => verdict.problems.map((problem) => capital(problem.message)).join(". "), "problem"];
    } catch (error) {
      // Whatever the server's trouble is, what was said must not be lost for it.
      this.message = [() => (error instanceof Unreachable ? t("take_unchecked") : error.message), ""];
    }
  }

  play() {
    if (this.player && !this.player.paused) {
      this.player.pause();
      return;
    }
    const player = new Audio(URL.createObjectURL(new Blob([wavHeader(this.take.pcm.byteLength), this.take.pcm], { type: "audio/wav" })));
    player.addEventListener("play", () => this.update());
    // Fired at the end too.
    player.addEventListener("pause", () => {
      URL.revokeObjectURL(player.src);
      this.update();
    });
    this.player = player;
    player.play().catch(() => {});
  }

  async pressKeep() {
    const { take } = this;
    this.player?.pause();
    this.state = "checking";
    this.keep.hidden = true;
    this.update();
    await this.keepTake(take);
    this.record.focus();
    announce(this.phrase);
  }

  pressSkip() {
    this.player?.pause();
    this.message = null;
    this.skipPhrase();
    announce(this.phrase);
  }
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function wavHeader(bytes) {
  const view = new DataView(new ArrayBuffer(44));
  const write = (place, text) => [...text].forEach((symbol, index) => view.setUint8(place + index, symbol.charCodeAt(0)));
  write(0, "RIFF");
  view.setUint32(4, 36 + bytes, true);
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  write(36, "data");
  view.setUint32(40, bytes, true);
  return view;
}

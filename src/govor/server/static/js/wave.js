// A recording as a picture of its loudness: click, drag or use the arrows to go anywhere.
import { make } from "./dom.js";
import { clock, onLanguage, t } from "./language.js";

const DECODE_RATE = 8000;
const MOST_BYTES = 300e6;
const STEP_SECONDS = 2;

/** The loudness of `count` equal parts of a sound file, 0 to 1; null if the browser cannot decode it. */
export async function measure(file, count = 1200) {
  if (file.size > MOST_BYTES) return null;
  try {
    const context = new OfflineAudioContext(1, 1, DECODE_RATE);
    const sound = await context.decodeAudioData(await file.arrayBuffer());
    return { peaks: peaksOf(sound.getChannelData(0), count), duration: sound.duration };
  } catch {
    return null;
  }
}

function peaksOf(samples, count) {
  const peaks = new Float32Array(count);
  const size = samples.length / count;
  let most = 1e-3;
  for (let part = 0; part < count; part += 1) {
    let peak = 0;
    const last = Math.min(samples.length, Math.ceil((part + 1) * size));
    for (let index = Math.floor(part * size); index < last; index += 1) peak = Math.max(peak, Math.abs(samples[index]));
    peaks[part] = peak;
    most = Math.max(most, peak);
  }
  return peaks.map((peak) => peak / most);
}

export class Wave {
  /** `seek(seconds)` is called when the user picks a place. */
  constructor(peaks, duration, seek) {
    this.peaks = peaks;
    this.duration = duration;
    this.now = 0;
    this.word = null;
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.element = make(
      "div",
      { class: "wave", role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": Math.round(duration) },
      this.canvas,
    );
    this.label();
    onLanguage(() => this.label());
    const seekTo = (event) => {
      const box = this.element.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      seek(Math.max(0, Math.min(1, share)) * duration);
    };
    this.element.addEventListener("pointerdown", (event) => {
      this.element.setPointerCapture(event.pointerId);
      seekTo(event);
    });
    this.element.addEventListener("pointermove", (event) => {
      if (this.element.hasPointerCapture(event.pointerId)) seekTo(event);
    });
    this.element.addEventListener("keydown", (event) => {
      const moves = {
        ArrowRight: this.now + STEP_SECONDS,
        ArrowLeft: this.now - STEP_SECONDS,
        Home: 0,
        End: duration - 0.1,
      };
      if (!(event.key in moves)) return;
      event.preventDefault();
      seek(Math.max(0, Math.min(duration, moves[event.key])));
    });
    new ResizeObserver(() => this.draw()).observe(this.element);
    addEventListener("govor-theme", () => this.draw());
  }

  label() {
    this.element.setAttribute("aria-label", t("seek"));
    this.show(this.now, this.word);
  }

  show(now, word) {
    this.now = now;
    this.word = word;
    this.element.setAttribute("aria-valuenow", Math.round(now));
    this.element.setAttribute("aria-valuetext", t("position", { now: clock(now), total: clock(this.duration) }));
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width) return;
    const scale = Math.min(devicePixelRatio || 1, 2);
    if (this.canvas.width !== Math.round(width * scale)) {
      this.canvas.width = Math.round(width * scale);
      this.canvas.height = Math.round(height * scale);
    }
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name);
    const brush = this.canvas.getContext("2d");
    brush.setTransform(scale, 0, 0, scale, 0, 0);
    brush.clearRect(0, 0, width, height);
    const at = (seconds) => (seconds / this.duration) * width;
    const lit = this.word && { from: at(this.word.start), to: Math.max(at(this.word.start) + 2, at(this.word.end)) };
    if (lit) {
      brush.fillStyle = colour("--lit");
      brush.fillRect(lit.from, 0, lit.to - lit.from, height);
    }
    const played = at(this.now);
    const bars = Math.floor(width / 3);
    for (let bar = 0; bar < bars; bar += 1) {
      const from = Math.floor((bar / bars) * this.peaks.length);
      const to = Math.max(from + 1, Math.floor(((bar + 1) / bars) * this.peaks.length));
      let peak = 0;
      for (let index = from; index < to; index += 1) peak = Math.max(peak, this.peaks[index]);
      const tall = Math.max(2, peak * (height - 14));
      const isLit = lit && bar * 3 >= lit.from && bar * 3 < lit.to;
      brush.fillStyle = colour(isLit ? "--text" : bar * 3 < played ? "--accent" : "--edge");
      brush.fillRect(bar * 3, (height - tall) / 2, 2, tall);
    }
    brush.fillStyle = colour("--text");
    brush.fillRect(Math.min(width - 2, played), 0, 2, height);
  }
}

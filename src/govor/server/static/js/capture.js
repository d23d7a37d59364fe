// The microphone as 16 kHz mono samples. Raw sound: no echo canceller or noise filter of the browser, as the
// model and `govor record` know voices without them.
import { explainLoss, explainRefusal } from "./access.js";
import { t } from "./language.js";
import { Resampler } from "./resampler.js";

export const RATE = 16000;
const SILENT_SECONDS = 4;

export class MicrophoneError extends Error {
  /** `words` makes the text, in the language of the moment. */
  constructor(words) {
    super(words());
    this.words = words;
  }
}

// One for the whole page, loaded at the first touch: whoever wants to record when the server is away still can.
let context = null;
let loaded = null;
let users = 0;

/** Load what records; resolves when recording needs the server no more. */
export function prepare() {
  if (!context || context.state === "closed") {
    context = new AudioContext({ latencyHint: "interactive" });
    loaded = null;
  }
  loaded ??= context.audioWorklet.addModule(new URL("./pcm-worklet.js", import.meta.url)).catch((error) => {
    loaded = null;
    throw error;
  });
  return loaded;
}

for (const touch of ["pointerdown", "keydown"]) {
  // Outside https there is no worklet; the recording itself will say why.
  addEventListener(touch, () => globalThis.AudioWorkletNode && prepare().catch(() => {}), { once: true });
}

export class Capture extends EventTarget {
  /** `onSamples(Float32Array)` gets every block, resampled; "lost" fires if the device goes away (detail: words). */
  constructor(onSamples) {
    super();
    this.onSamples = onSamples;
    this.silent = 0;
  }

  async start(device = "") {
    if (!navigator.mediaDevices?.getUserMedia) throw new MicrophoneError(() => t("insecure"));
    const audio = {
      channelCount: { ideal: 1 },
      echoCancellation: false,
      noiseSuppression: false,
      autoGainControl: false,
      ...(device ? { deviceId: { exact: device } } : {}),
    };
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      // A remembered device may be unplugged: any other is better than none.
      if (device && ["OverconstrainedError", "NotFoundError"].includes(error.name)) return this.start();
      throw new MicrophoneError(await explain(error));
    }
    const [track] = this.stream.getAudioTracks();
    track.addEventListener("ended", async () => {
      const detail = await explainLoss();
      // Who has stopped meanwhile misses nothing.
      if (this.stream) this.dispatchEvent(new CustomEvent("lost", { detail }));
    });
    users += 1;
    this.counted = true;
    try {
      await prepare();
    } catch {
      await this.stop();
      throw new MicrophoneError(() => t("recorder_not_loaded"));
    }
    try {
      await context.resume();
      this.source = context.createMediaStreamSource(this.stream);
    } catch (error) {
      await this.stop();
      throw new MicrophoneError(await explain(error));
    }
    const resampler = new Resampler(context.sampleRate, RATE);
    this.node = new AudioWorkletNode(context, "pcm-collector", { numberOfOutputs: 0 });
    this.node.port.onmessage = ({ data }) => this.take(resampler.feed(data));
    this.source.connect(this.node);
    return this;
  }

  take(samples) {
    const peak = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    this.silent = peak === 0 ? this.silent + samples.length / RATE : 0;
    if (this.silent > SILENT_SECONDS) {
      this.silent = -Infinity;
      this.dispatchEvent(new Event("silent"));
    }
    this.onSamples(samples);
  }

  /** What the device calls itself. */
  get name() {
    return this.stream?.getAudioTracks()[0]?.label ?? "";
  }

  async stop() {
    if (this.node) this.node.port.onmessage = null;
    this.source?.disconnect();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    if (this.counted) users -= 1;
    this.counted = false;
    this.node = this.source = this.stream = null;
    // Let the sound card rest.
    if (!users && context?.state === "running") await context.suspend();
  }
}

async function explain(error) {
  if (["NotAllowedError", "SecurityError"].includes(error.name)) return explainRefusal(error);
  if (["NotFoundError", "OverconstrainedError"].includes(error.name)) return () => t("no_microphone");
  return () => t("microphone_busy");
}

/** Power of samples in dB of full scale, at least -100. */
export function levelDb(samples) {
  let power = 0;
  for (const value of samples) power += value * value;
  return Math.max(-100, 10 * Math.log10(power / Math.max(samples.length, 1) + 1e-10));
}

/** Show a level on a meter element, between -60 and 0 dB. */
export function showLevel(meter, decibels, loudest = decibels) {
  const share = Math.max(0, Math.min(1, (decibels + 60) / 60));
  meter.style.setProperty("--level", share.toFixed(3));
  meter.classList.toggle("loud", loudest > -1);
  meter.setAttribute("aria-valuenow", Math.round(Math.max(-60, Math.min(0, decibels))));
}

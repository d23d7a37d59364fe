// The tab "my voice": record phrases, look them over, adapt the model, choose which model recognises.
import { AdaptationCard } from "./adaptation.js";
import { CollectionCard } from "./collection.js";
import { announce, byId, make, progressBar, recall, remember } from "./dom.js";
import { onLanguage, t } from "./language.js";
import { offerMicrophones } from "./microphones.js";
import * as outbox from "./outbox.js";
import { Recorder } from "./recorder.js";
import { connection, getJson, isOnline, Refused, request, sendJson, Unreachable } from "./server.js";
import { isOpen, onOpen } from "./tabs.js";

const PROMPTS = 30;
const RETRY_MS = 10_000;
const LONGEST_SHOWN = 60;

let voice = null; // the server's state
let prompts = [];
let refusedPhrases = {};
let skipped = [];
let pending = []; // takes that the server has not confirmed
let sending = null;
let delivered = 0; // takes that the server has confirmed since the page was opened
let waiting = null; // what was said of the last take, if that waits
let parts = null;

export function startStudio() {
  onOpen("voice", refresh);
  connection.addEventListener("online", async () => {
    await send();
    if (isOpen("voice")) refresh();
  });
  onLanguage(() => {
    if (parts) build();
  });
  setInterval(() => {
    if (pending.some((take) => !take.refused)) send();
  }, RETRY_MS);
  // A take that is neither kept nor thrown away is lost with the page; the browser asks first.
  addEventListener("beforeunload", (event) => {
    if (parts?.recorder.isUnsaved) event.preventDefault();
  });
  // Takes that an earlier visit could not deliver.
  send();
}

const changes = () => delivered + (parts?.adaptation.orders ?? 0);

/** The server's state; a take or an order that arrived meanwhile may be missing in an answer, so it is asked anew. */
async function askVoice() {
  for (;;) {
    const before = changes();
    const answer = await getJson("v1/voice");
    if (before === changes()) return answer;
  }
}

async function refresh() {
  try {
    voice = await askVoice();
  } catch (error) {
    if (!voice) byId("voice").replaceChildren(make("p", { class: "card problem" }, error.message));
    return;
  }
  if (!prompts.length) await loadPrompts();
  if (!parts) build();
  show();
}

function build() {
  const recorder = parts?.recorder ?? new Recorder({ keep, skip });
  recorder.build();
  parts = {
    recorder,
    bar: progressBar(t("step_record")),
    goal: make("p", { class: "note", id: "goal" }),
    collection: new CollectionCard({ refresh, discard }),
    adaptation: parts?.adaptation ?? new AdaptationCard({ changed: refresh }),
  };
  parts.adaptation.build();
  const recording = make(
    "section",
    { class: "card", "aria-labelledby": "step-record" },
    make("div", { class: "step-head" }, make("h2", { id: "step-record" }, t("step_record")), parts.goal),
    make("div", { class: "progress-line" }, parts.bar.element),
    recorder.element,
    speakerSettings(),
  );
  byId("voice").replaceChildren(
    make("p", { class: "note", id: "voice-intro" }, t("voice_intro", { folder: voice.folder })),
    recording,
    parts.collection.element,
    parts.adaptation.element,
  );
  showRefused();
  show();
}

function speakerSettings() {
  const name = make("input", { type: "text", id: "speaker", maxlength: 40, pattern: "[\\p{L}\\p{N}_]+", autocomplete: "off", value: speaker() });
  name.addEventListener("change", () => {
    const tidy = name.value.trim().replace(/[^\p{L}\p{N}_]+/gu, "_").slice(0, 40);
    name.value = tidy || voice.speaker;
    remember("speaker", name.value);
    loadPrompts().then(show);
  });
  const gender = make("select", { id: "gender" });
  for (const value of ["", "male", "female"]) gender.append(make("option", { value }, t(`gender_${value || "none"}`)));
  gender.value = recall("gender");
  gender.addEventListener("change", () => remember("gender", gender.value));
  const microphone = make("select", { id: "studio-microphone" });
  offerMicrophones(microphone);
  const own = make("textarea", { id: "own-phrases", rows: 4, lang: "ru", "aria-describedby": "own-phrases-note own-phrases-refused" });
  own.value = recall("own-phrases");
  own.addEventListener("change", () => {
    remember("own-phrases", own.value);
    skipped = [];
    loadPrompts().then(show);
  });
  return make(
    "details",
    { id: "speaker-settings" },
    make("summary", {}, t("speaker_settings")),
    make(
      "div",
      { class: "grid" },
      make("label", {}, make("span", {}, t("speaker")), name),
      make("label", {}, make("span", {}, t("gender")), gender),
      make("label", { class: "wide" }, make("span", {}, t("microphone")), microphone),
      make("label", { class: "wide" }, make("span", {}, t("own_phrases")), own),
    ),
    make("p", { class: "note", id: "own-phrases-note" }, t("own_phrases_note")),
    make("p", { class: "problem", id: "own-phrases-refused", role: "status" }),
  );
}

const speaker = () => recall("speaker") || voice?.speaker || "speaker";

async function loadPrompts() {
  const own = recall("own-phrases")
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  try {
    const answer = await sendJson("v1/voice/prompts", { speaker: speaker(), phrases: own, count: PROMPTS });
    refusedPhrases = answer.refused;
    prompts = answer.prompts;
  } catch {
    // The phrases at hand will do until the server is back.
  }
  showRefused();
}

const shorten = (phrase) => (phrase.length > LONGEST_SHOWN ? `${phrase.slice(0, LONGEST_SHOWN)}…` : phrase);

function showRefused() {
  const lines = Object.entries(refusedPhrases).map(([phrase, reason]) => make("span", {}, `«${shorten(phrase)}»: ${reason}`));
  byId("own-phrases-refused")?.replaceChildren(...lines);
}

function nextPhrase() {
  const kept = new Set(pending.map((take) => take.phrase));
  const left = prompts.filter((phrase) => !kept.has(phrase));
  return left.find((phrase) => !skipped.includes(phrase)) ?? left[0] ?? "";
}

function show() {
  if (!parts || !voice) return;
  const count = voice.num_phrases;
  parts.goal.textContent = t(count >= voice.goal ? "goal_reached" : "goal", { count, goal: voice.goal });
  parts.bar.set(Math.min(1, count / voice.goal));
  const { recorder } = parts;
  if (recorder.state === "idle" && recorder.phrase !== nextPhrase()) recorder.show(nextPhrase());
  parts.collection.show(voice, pending);
  parts.adaptation.show(voice);
}

function skip() {
  skipped = skipped.filter((phrase) => phrase !== parts.recorder.phrase);
  skipped.push(parts.recorder.phrase);
  if (skipped.length >= prompts.length) skipped = [parts.recorder.phrase];
  parts.recorder.show(nextPhrase());
}

async function keep(take) {
  const stored = {
    id: crypto.randomUUID?.() ?? String(Math.random()),
    phrase: take.phrase,
    speaker: speaker(),
    gender: recall("gender"),
    pcm: take.pcm.buffer,
    microphone: take.microphone,
    seconds: take.seconds,
    added: Date.now(),
  };
  await outbox.put(stored);
  pending.push(stored);
  prompts = prompts.filter((phrase) => phrase !== take.phrase);
  await send();
  const waits = pending.find((one) => one.id === stored.id);
  const { recorder } = parts;
  if (!waits) recorder.message = [() => t("take_saved", { phrase: take.phrase }), "fine"];
  else if (waits.refused) recorder.message = [() => t("refused", { reason: waits.refused }), "problem"];
  else recorder.message = [() => waits.reason ?? t("take_waits"), ""];
  waiting = waits ? recorder.message : null;
  if (prompts.length < 3 && isOnline()) await loadPrompts();
  recorder.show(nextPhrase());
  show();
}

/** Send all that waits, one after the other; a second call waits for the first. */
function send() {
  sending = (sending ?? Promise.resolve()).then(sendAll).catch(() => {});
  return sending;
}

async function sendAll() {
  pending = await outbox.waiting();
  let sent = 0;
  for (const take of [...pending]) {
    if (take.refused) continue;
    try {
      await deliver(take);
    } catch (error) {
      if (error instanceof Unreachable) break;
      if (!(error instanceof Refused)) throw error;
      take.reason = error.message;
      if (error.status === 422) {
        take.refused = error.message;
        await outbox.put(take);
      }
      continue;
    }
    await outbox.drop(take.id);
    pending = pending.filter((one) => one !== take);
    sent += 1;
    delivered += 1;
  }
  if (sent && voice) voice = await askVoice().catch(() => voice);
  if (sent && parts) {
    announce(t("delivered", { count: sent }));
    // Nothing must be said to wait that has arrived.
    if (waiting && parts.recorder.message === waiting) parts.recorder.say(() => t("delivered", { count: sent }), "fine");
  }
  show();
}

async function deliver(take) {
  const form = new FormData();
  form.append("phrase", take.phrase);
  form.append("speaker", take.speaker);
  form.append("gender", take.gender);
  form.append("microphone", (take.microphone ?? "").slice(0, 100));
  form.append("audio", new Blob([take.pcm]), "take.pcm");
  await request("v1/voice/recordings", { method: "POST", body: form });
}

async function discard(take) {
  await outbox.drop(take.id);
  pending = pending.filter((one) => one.id !== take.id);
  show();
}

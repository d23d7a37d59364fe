// The tab "speak": live text while you talk.
import { access, isRefusal } from "./access.js";
import { Capture, levelDb, MicrophoneError, showLevel } from "./capture.js";
import { copyText } from "./copy.js";
import { announce, button, byId, disable, isDisabled, make, save, shareField } from "./dom.js";
import { FORMATS, toText } from "./export.js";
import { clock, number, onLanguage, t } from "./language.js";
import { LiveStream } from "./live.js";
import { chosenMicrophone, offerMicrophones, showMicrophones } from "./microphones.js";

const UNSURE = 0.5;
const SILENT = () => t("microphone_silent");

let state = "idle";
let capture = null;
let stream = null;
let paused = false;
let segments = [];
let partial = "";
let unfinished = null; // the words of `partial` with their times
let elapsed = 0; // seconds of the streams that are over
let cleared = null; // {segments, elapsed} of a text that can be had back
let unsaved = false;
let trouble = null; // makes the text, in the language of the moment

export function startSpeak() {
  byId("talk").addEventListener("click", (event) => {
    if (isDisabled(event.currentTarget)) return;
    if (state === "idle") begin();
    else end();
  });
  byId("talk-pause").addEventListener("click", (event) => isDisabled(event.currentTarget) || togglePause());
  for (const id of ["hotwords", "phrases"]) shareField(byId(id), id);
  offerMicrophones(byId("microphone"));
  access.addEventListener("granted", () => {
    if (!isRefusal(trouble)) return;
    trouble = null;
    show();
  });
  onLanguage(show);
  // The text is lost with the page; the browser asks first.
  addEventListener("beforeunload", (event) => {
    if (state !== "idle" || unsaved) event.preventDefault();
  });
  show();
}

function hints() {
  const hotwords = byId("hotwords")
    .value.split(/[,;\n]/)
    .map((item) => item.trim())
    .filter(Boolean);
  // Empty lines go along: the server names a line that it cannot use by its number.
  const phrases = byId("phrases").value.trimEnd().split("\n");
  return { ...(hotwords.length ? { hotwords } : {}), ...(phrases.some((line) => line.trim()) ? { phrases } : {}) };
}

async function begin() {
  trouble = null;
  cleared = null;
  setState("asking");
  capture = new Capture(hear);
  capture.addEventListener("lost", ({ detail }) => {
    trouble = detail;
    end();
  });
  capture.addEventListener("silent", () => {
    trouble = SILENT;
    show();
  });
  try {
    await capture.start(chosenMicrophone());
  } catch (error) {
    if (!(error instanceof MicrophoneError)) throw error;
    capture = null;
    trouble = error.words;
    setState("idle");
    return;
  }
  showMicrophones();
  openStream();
}

function openStream() {
  paused = false;
  const opened = new LiveStream(hints());
  const offset = elapsed;
  stream = opened;
  const place = ({ detail }) => ({
    ...detail,
    start: detail.start + offset,
    end: detail.end + offset,
    words: detail.words.map((word) => ({ ...word, start: word.start + offset, end: word.end + offset })),
  });
  opened.addEventListener("partial", (event) => {
    partial = event.detail.text;
    unfinished = place(event);
    showPartial();
  });
  opened.addEventListener("final", (event) => {
    partial = "";
    if (trouble === SILENT) trouble = null;
    if (event.detail.text) addSegment(place(event));
    showPartial();
  });
  opened.addEventListener("state", () => {
    if (stream !== opened || opened.state === "done") return;
    if (opened.ending) setState(opened.ready ? "finishing" : "waiting");
    else setState(opened.state);
  });
  opened.addEventListener("lost", (event) => {
    trouble = () => t("lost_sound", { seconds: number(event.detail) });
    show();
  });
  opened.addEventListener("refused", (event) => {
    trouble = () => event.detail;
    if (stream === opened) end();
  });
  setState("connecting");
}

function hear(samples) {
  let peak = 0;
  for (const value of samples) peak = Math.max(peak, Math.abs(value));
  const level = levelDb(samples);
  showLevel(byId("talk-meter"), level, 20 * Math.log10(peak + 1e-6));
  byId("talk").style.setProperty("--level", paused ? 0 : Math.max(0, Math.min(1, (level + 55) / 45)).toFixed(3));
  if (paused || !stream || stream.ending) return;
  stream.feed(samples);
  showClock();
}

async function finishStream() {
  const open = stream;
  if (!open) return;
  elapsed += open.seconds;
  const finished = open.finish();
  setState(open.ready || open.state === "done" ? "finishing" : "waiting");
  await finished;
  // What nobody finished is better than nothing.
  if (partial) addSegment(unfinished);
  partial = "";
  showPartial();
  if (stream === open) stream = null;
}

async function togglePause() {
  if (state === "waiting") return stream.close();
  if (paused) return openStream();
  paused = true;
  await finishStream();
  if (capture) setState("paused");
  return undefined;
}

async function end() {
  if (["idle", "asking"].includes(state) || !capture) return;
  const device = capture;
  capture = null;
  await device.stop();
  showLevel(byId("talk-meter"), -60);
  byId("talk").style.setProperty("--level", 0);
  await finishStream();
  paused = false;
  setState("idle");
}

function setState(name) {
  state = name;
  show();
}

function show() {
  const talking = !["idle", "asking"].includes(state);
  const talk = byId("talk");
  talk.setAttribute("aria-pressed", talking);
  talk.setAttribute("aria-label", t(talking ? "talk_stop" : "talk_start"));
  disable(talk, ["asking", "finishing", "waiting"].includes(state));
  const pause = byId("talk-pause");
  disable(pause, !["listening", "paused", "reconnecting", "waiting"].includes(state));
  pause.textContent = t(state === "waiting" ? "give_up" : paused ? "resume" : "pause");
  const line = byId("talk-state");
  line.textContent = trouble ? trouble() : t(`state_${state}`);
  line.classList.toggle("problem", Boolean(trouble) || ["reconnecting", "waiting"].includes(state));
  showActions();
  showClock();
  byId("talk-empty").hidden = Boolean(segments.length || partial || talking);
}

function showClock() {
  const open = stream && !stream.ending ? stream.seconds : 0;
  byId("talk-clock").textContent = clock(elapsed + open);
}

function showPartial() {
  byId("talk-partial").textContent = partial;
  byId("talk-empty").hidden = Boolean(segments.length || partial || state !== "idle");
  scrollDown();
}

function addSegment(segment) {
  cleared = null;
  unsaved = true;
  segments.push(segment);
  byId("talk-text").append(paragraph(segment));
  showLegend();
  showActions();
  scrollDown();
}

function showLegend() {
  byId("talk-legend").hidden = !segments.some(({ words }) => words.some(isUnsure));
}

const isUnsure = (word) => word.confidence < UNSURE;

function paragraph(segment) {
  const line = make("p");
  if (!segment.words.length) line.append(segment.text);
  segment.words.forEach((word, index) => {
    if (index) line.append(" ");
    line.append(isUnsure(word) ? make("span", { class: "unsure" }, word.text) : word.text);
  });
  return line;
}

function scrollDown() {
  const paper = byId("talk-paper");
  // Whoever scrolled up to read is left alone.
  if (paper.scrollHeight - paper.scrollTop - paper.clientHeight < 160) paper.scrollTop = paper.scrollHeight;
}

function showActions() {
  const group = byId("talk-actions");
  const key = `${segments.length > 0}|${cleared !== null}|${document.documentElement.lang}`;
  // Rebuilding would take the focus away from whoever stands on a button.
  if (group.dataset.key === key) return;
  group.dataset.key = key;
  const none = segments.length === 0;
  const off = { "aria-disabled": none };
  const downloads = ["txt", "srt", "json"].map((kind) =>
    button(kind.toUpperCase(), () => download(kind), "soft small", { ...off, "aria-label": t("download", { kind: kind.toUpperCase() }), id: `talk-${kind}` }),
  );
  const last = cleared
    ? button(t("undo"), undo, "quiet small", { id: "talk-undo" })
    : button(t("clear"), clear, "quiet small", { ...off, id: "talk-clear" });
  group.replaceChildren(button(t("copy"), copy, "soft small", { ...off, id: "talk-copy" }), ...downloads, last);
}

async function copy(event) {
  if (await copyText(toText(segments), event.currentTarget)) unsaved = false;
}

function download(kind) {
  const [type, write] = FORMATS[kind];
  const stamp = new Date().toISOString().slice(0, 16).replace(/[:T]/g, "-");
  save(`govor-${stamp}.${kind}`, type, write(segments, null, elapsed));
  unsaved = false;
}

function clear() {
  cleared = { segments, elapsed };
  segments = [];
  unsaved = false;
  // The times of a new text start at 0, but not in the middle of a stream.
  if (state === "idle") elapsed = 0;
  byId("talk-text").replaceChildren();
  showLegend();
  announce(t("cleared"));
  show();
  byId("talk-undo").focus();
}

function undo() {
  ({ segments } = cleared);
  elapsed = Math.max(elapsed, cleared.elapsed);
  cleared = null;
  unsaved = true;
  byId("talk-text").replaceChildren(...segments.map(paragraph));
  showLegend();
  show();
  byId("talk-copy").focus();
}

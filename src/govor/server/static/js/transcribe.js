// Sends a recording and follows its recognition. XMLHttpRequest, as fetch does not tell how far an upload is.
import { address, askForToken, headers, noteAway, noteHere, readMessage, Refused, Unreachable } from "./server.js";
import { t } from "./language.js";

/**
 * Recognise a file: {duration, segments: [{start, end, text, words}], warnings}.
 * `hotwords`, parted by commas, are words to expect.
 * `onUpload(share)`, `onSent()`, `onProgress(seconds, text)` tell how far it is. Throws Refused, Unreachable, AbortError.
 */
export async function transcribe(file, options) {
  for (;;) {
    const { status, body } = await post(file, options);
    if (status === 401 && (await askForToken())) continue;
    const events = readEvents(body);
    const error = events.find((event) => event.type === "error");
    if (status >= 400 || error) throw new Refused(readMessage(error ?? parse(body), `HTTP ${status}`), status, body);
    const done = events.find((event) => event.type === "transcript.text.done");
    // The server has died on the way: what it said so far is not the whole.
    if (!done) throw away();
    return { duration: done.duration, segments: withWords(done), warnings: done.warnings ?? [] };
  }
}

function away() {
  noteAway();
  return new Unreachable(t("server_gone"));
}

function post(file, { signal, hotwords, onUpload, onSent, onProgress }) {
  const form = new FormData();
  form.append("model", "govor");
  form.append("response_format", "verbose_json");
  form.append("timestamp_granularities[]", "word");
  form.append("timestamp_granularities[]", "segment");
  form.append("stream", "true");
  if (hotwords) form.append("hotwords", hotwords.replace(/[;\n]/g, ","));
  form.append("file", file);
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open("POST", address("v1/audio/transcriptions"));
    for (const [name, value] of Object.entries(headers())) call.setRequestHeader(name, value);
    call.upload.addEventListener("progress", (event) => event.lengthComputable && onUpload(event.loaded / event.total));
    call.upload.addEventListener("load", onSent);
    // The server counts the seconds that are done in comments between the events.
    call.addEventListener("progress", () => {
      const marks = call.responseText.match(/^: ([\d.]+)$/gm);
      const deltas = readEvents(call.responseText).filter((event) => event.type === "transcript.text.delta");
      if (marks) onProgress(Number(marks.at(-1).slice(2)), deltas.map((event) => event.delta).join(""));
    });
    call.addEventListener("load", () => {
      noteHere();
      resolve({ status: call.status, body: call.responseText });
    });
    call.addEventListener("error", () => reject(away()));
    call.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
    signal.addEventListener("abort", () => call.abort());
    call.send(form);
  });
}

function readEvents(text) {
  return [...text.matchAll(/^data: (.*)$/gm)].map((match) => parse(match[1])).filter((event) => event.type);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** Segments with their own words; every word goes to the segment that its middle lies in. */
function withWords({ segments, words }) {
  const found = segments.map((segment) => ({ start: segment.start, end: segment.end, text: segment.text, words: [] }));
  let index = 0;
  for (const word of words) {
    const middle = (word.start + word.end) / 2;
    while (index < found.length - 1 && middle > found[index].end) index += 1;
    found[index].words.push({ text: word.word, start: word.start, end: word.end, confidence: word.confidence ?? 1 });
  }
  return found;
}

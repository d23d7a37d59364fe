// Texts and subtitles out of words with times. A segment: {start, end, words: [{text, start, end}]}.

const LINE = 42;
const LONGEST_SECONDS = 6;
const LONGEST_GAP = 1.5;

const segmentText = (segment) => segment.words.map((word) => word.text).filter(Boolean).join(" ") || segment.text || "";

export const toText = (segments) => `${segments.map(segmentText).filter(Boolean).join("\n")}\n`;

/** Subtitles: at most two lines of 42 characters and six seconds each. */
function cues(segments) {
  const found = [];
  for (const segment of segments) {
    const words = segment.words.filter((word) => word.text);
    if (!words.length && segment.text) found.push({ start: segment.start, end: segment.end, text: segment.text });
    let cue = null;
    for (const word of words) {
      const fits =
        cue &&
        cue.text.length + 1 + word.text.length <= 2 * LINE &&
        word.end - cue.start <= LONGEST_SECONDS &&
        word.start - cue.end <= LONGEST_GAP;
      if (fits) {
        cue.text += ` ${word.text}`;
        cue.end = word.end;
      } else {
        cue = { start: word.start, end: word.end, text: word.text };
        found.push(cue);
      }
    }
  }
  return found.map((cue) => ({ ...cue, text: breakLine(cue.text) }));
}

function breakLine(text) {
  if (text.length <= LINE) return text;
  let best = -1;
  for (let place = text.indexOf(" "); place >= 0; place = text.indexOf(" ", place + 1)) {
    if (best < 0 || Math.abs(place - text.length / 2) < Math.abs(best - text.length / 2)) best = place;
  }
  return best < 0 ? text : `${text.slice(0, best)}\n${text.slice(best + 1)}`;
}

function timestamp(seconds, separator) {
  const ms = Math.max(0, Math.round(seconds * 1000));
  const two = (value) => String(value).padStart(2, "0");
  const whole = `${two(Math.floor(ms / 3_600_000))}:${two(Math.floor(ms / 60_000) % 60)}:${two(Math.floor(ms / 1000) % 60)}`;
  return `${whole}${separator}${String(ms % 1000).padStart(3, "0")}`;
}

const toSrt = (segments) =>
  cues(segments)
    .map((cue, index) => `${index + 1}\n${timestamp(cue.start, ",")} --> ${timestamp(cue.end, ",")}\n${cue.text}\n`)
    .join("\n");

const toVtt = (segments) =>
  `WEBVTT\n\n${cues(segments)
    .map((cue) => `${timestamp(cue.start, ".")} --> ${timestamp(cue.end, ".")}\n${cue.text}\n`)
    .join("\n")}`;

const round = (value) => Math.round((value ?? 0) * 1000) / 1000;

/** The same layout as `govor transcribe --format jsonl`, indented. */
const toJson = (segments, name, duration) =>
  `${JSON.stringify(
    {
      audio_filepath: name,
      duration: round(duration),
      text: segments.map(segmentText).filter(Boolean).join(" "),
      segments: segments.map((segment) => ({
        start: round(segment.start),
        end: round(segment.end),
        text: segmentText(segment),
        words: segment.words.map((word) => ({
          text: word.text,
          start: round(word.start),
          end: round(word.end),
          confidence: word.confidence,
        })),
      })),
    },
    null,
    1,
  )}\n`;

export const FORMATS = {
  txt: ["text/plain;charset=utf-8", toText],
  srt: ["application/x-subrip;charset=utf-8", toSrt],
  vtt: ["text/vtt;charset=utf-8", toVtt],
  json: ["application/json", toJson],
};

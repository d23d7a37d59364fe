// Whether the browser lets this page hear: why not, in words that cure it, and the news when it does.
import { t } from "./language.js";

const REFUSED = () => t("no_microphone_access");
const NOT_YET = () => t("microphone_not_allowed_yet");

/** Whether a microphone that is allowed now puts right what these words tell. */
export const isRefusal = (words) => words === REFUSED || words === NOT_YET;

/** Fires "granted" when the user allows the microphone, in the browser's settings too. */
export const access = new EventTarget();

/** "granted", "denied", "prompt"; "" where the browser does not tell. */
async function state() {
  try {
    return (await navigator.permissions.query({ name: "microphone" })).state;
  } catch {
    return "";
  }
}

/** What to say of a refusal; the result makes the text, in the language of the moment. */
export async function explainRefusal(error) {
  const now = await state();
  // The site may hear, the browser itself may not. Chrome says so in the message only.
  if (now === "granted" || error.message.includes("system")) return () => t("microphone_off_in_system");
  // The question was closed without an answer, or the answer held for once.
  return now === "prompt" ? NOT_YET : REFUSED;
}

/** What to say of a microphone that went away amid the sound: pulled out, or forbidden. */
export async function explainLoss() {
  const now = await state();
  return ["denied", "prompt"].includes(now) ? REFUSED : () => t("microphone_lost");
}

navigator.permissions
  ?.query({ name: "microphone" })
  .then((status) => {
    status.addEventListener("change", () => {
      if (status.state === "granted") access.dispatchEvent(new Event("granted"));
    });
  })
  .catch(() => {
    // A browser that knows no such question asks when the button is pressed.
  });

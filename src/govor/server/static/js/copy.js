// Texts to the clipboard, said on the button that was pressed.
import { announce } from "./dom.js";
import { t } from "./language.js";

const SHOWN_MS = 2000;

/** Copy a text; the button tells for a moment whether the browser allowed it. Resolves to whether it did. */
export async function copyText(text, pressed) {
  let name = "copied";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    name = "copy_failed";
  }
  pressed.textContent = t(name);
  announce(t(name));
  setTimeout(() => {
    pressed.textContent = t("copy");
  }, SHOWN_MS);
  return name === "copied";
}

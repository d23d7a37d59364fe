// The language of the page: chosen by the user, else the browser's.
import { recall, remember } from "./dom.js";
import { TEXTS } from "./texts.js";

const KEY = "language";
const listeners = new Set();
const browsers = navigator.languages.some((name) => /^(ru|be|uk|kk)\b/.test(name)) ? "ru" : "en";
let current = ["ru", "en"].includes(recall(KEY)) ? recall(KEY) : browsers;

export const language = () => current;

/** The text of that name in the user's language; {name} is replaced by values.name. */
export function t(name, values = {}) {
  const pair = TEXTS[name];
  if (!pair) throw new Error(`no text ${name}`);
  return pair[current === "ru" ? 0 : 1].replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

/** The text of that name in the form that the number asks for: "раз|раза|раз"; {count} is the number. */
export function plural(name, count, values = {}) {
  const forms = t(name, { count: number(count), ...values }).split("|");
  const place = { one: 0, few: 1, many: 2 }[new Intl.PluralRules(current).select(count)] ?? 1;
  return forms[Math.min(place, forms.length - 1)];
}

export function setLanguage(name) {
  current = name;
  remember(KEY, name);
  translate(document);
  for (const listener of listeners) listener();
}

/** Call `listener` whenever the language changes. */
export const onLanguage = (listener) => listeners.add(listener);

/** Put every element with data-text, data-label or data-hint under `root` into the user's language. */
export function translate(root) {
  document.documentElement.lang = current;
  document.title = t("title");
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of root.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label));
  for (const element of root.querySelectorAll("[data-hint]")) element.placeholder = t(element.dataset.hint);
}

export const number = (value, digits = 0) =>
  value.toLocaleString(current, { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−");

export const percent = (value) => value.toLocaleString(current, { style: "percent", maximumFractionDigits: 1 });

/** 75.4 -> "1:15", 3700 -> "1:01:40" */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}

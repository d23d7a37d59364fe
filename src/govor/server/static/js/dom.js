// Making elements and telling things to people who listen to the page.

/** make("button", {class: "soft", onclick: f, "aria-label": "…"}, "text", child, …) */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || (value === false && !key.startsWith("aria-"))) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true && !key.startsWith("aria-") ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** A button; `disable` switches it off. */
export const button = (text, onclick, kind = "soft", more = {}) => {
  const act = (event) => isDisabled(event.currentTarget) || onclick(event);
  return make("button", { type: "button", class: kind, onclick: act, "aria-disabled": "false", ...more }, text);
};

// A button that is really disabled loses the focus, and whoever works by keyboard starts again from the top.
export const disable = (element, off) => element.setAttribute("aria-disabled", Boolean(off));
export const isDisabled = (element) => element.getAttribute("aria-disabled") === "true";

/** Say something to screen readers; the same text twice is said twice. */
export function announce(text) {
  const place = byId("announcer");
  place.textContent = "";
  setTimeout(() => {
    place.textContent = text;
  }, 60);
}

/** A bar that tells how far something is; `done` 0 to 1, or null if nobody knows. */
export function progressBar(label) {
  const fill = make("span");
  const bar = make("div", { class: "bar", role: "progressbar", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  return {
    element: bar,
    set(done) {
      bar.classList.toggle("unknown", done === null);
      if (done === null) bar.removeAttribute("aria-valuenow");
      else {
        bar.setAttribute("aria-valuenow", Math.round(done * 100));
        bar.style.setProperty("--done", done);
      }
    },
  };
}

export function save(name, type, content) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// Where the browser forbids storage, the page remembers as long as it is open.
const memory = new Map();

export function remember(key, value) {
  memory.set(key, value);
  try {
    localStorage.setItem(`govor.${key}`, value);
  } catch {
    // It is in the memory.
  }
}

export function recall(key) {
  try {
    return localStorage.getItem(`govor.${key}`) ?? memory.get(key) ?? "";
  } catch {
    return memory.get(key) ?? "";
  }
}

/** Keep what is typed into a field; fields of the same key show the same. */
export function shareField(field, key) {
  field.value = recall(key);
  field.dataset.shared = key;
  field.addEventListener("input", () => {
    remember(key, field.value);
    for (const other of document.querySelectorAll(`[data-shared="${key}"]`)) {
      if (other !== field) other.value = field.value;
    }
  });
}

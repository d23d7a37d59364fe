// Tabs after the ARIA pattern: arrows move, the address remembers.
import { byId } from "./dom.js";

const NAMES = ["speak", "files", "voice", "about"];
const openers = {};

export const onOpen = (name, action) => {
  openers[name] = action;
};

export const isOpen = (name) => !byId(`panel-${name}`).hidden;

function openTab(name) {
  for (const one of NAMES) {
    const tab = byId(`tab-${one}`);
    tab.setAttribute("aria-selected", one === name);
    tab.tabIndex = one === name ? 0 : -1;
    byId(`panel-${one}`).hidden = one !== name;
  }
  openers[name]?.();
}

export function startTabs() {
  NAMES.forEach((name, index) => {
    const tab = byId(`tab-${name}`);
    tab.addEventListener("click", () => choose(name));
    tab.addEventListener("keydown", (event) => {
      const moves = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: NAMES.length - 1 };
      if (!(event.key in moves)) return;
      event.preventDefault();
      const next = NAMES[(moves[event.key] + NAMES.length) % NAMES.length];
      choose(next);
      byId(`tab-${next}`).focus();
    });
  });
  addEventListener("hashchange", fromAddress);
  fromAddress();
}

function choose(name) {
  history.replaceState(null, "", `#${name}`);
  openTab(name);
}

function fromAddress() {
  const name = location.hash.slice(1);
  if (name === "content") return;
  openTab(NAMES.includes(name) ? name : NAMES[0]);
}

// The tab "about": how fast it is here, and the model's card.
import { button, byId, make } from "./dom.js";
import { language, number, onLanguage, plural, t } from "./language.js";
import { render } from "./markdown.js";
import { getJson, sendJson, token } from "./server.js";
import { isOpen, onOpen } from "./tabs.js";

let about = null;
let spoken = "";
let speed = null;
let busy = false;

export function startAbout() {
  onOpen("about", open);
  onLanguage(() => {
    if (isOpen("about")) open();
  });
}

async function open() {
  if (!about) byId("about").replaceChildren(make("p", { class: "note" }, t("loading")));
  try {
    // The model may have been switched meanwhile, and its card is in one language.
    about = await getJson("v1/about");
    spoken = language();
  } catch (error) {
    if (!about || spoken !== language()) byId("about").replaceChildren(make("p", { class: "card problem" }, error.message));
    return;
  }
  draw();
  if (!speed && !busy) measure();
}

async function measure() {
  busy = true;
  draw();
  try {
    speed = await sendJson("v1/about/speed", {});
  } catch (error) {
    speed = speed ?? { error: error.message };
  }
  busy = false;
  draw();
}

const figure = (value, label) => make("div", { class: "figure" }, make("b", {}, value), make("span", {}, label));

function duration(seconds) {
  if (seconds < 90) return `${number(seconds, seconds < 10 ? 1 : 0)} ${t("unit_second")}`;
  return `${number(seconds / 60, 1)} ${t("unit_minute")}`;
}

function speedCard() {
  const again = button(t(busy ? "measuring" : "measure"), measure, "soft small", { id: "measure", "aria-disabled": busy });
  const card = make(
    "section",
    { class: "card", "aria-labelledby": "speed-title" },
    make("div", { class: "step-head" }, make("h2", { id: "speed-title" }, t("speed_title")), again),
  );
  const figures = make("div", { class: "figures", role: "status", id: "speed" });
  const known = speed && !speed.error;
  figures.append(
    figure(known ? duration(3600 / speed.times) : "…", t("speed_hour")),
    figure(known ? `${number(speed.times)}×` : "…", t("speed_times")),
    figure(number(about.cores), plural("speed_cores", about.cores)),
  );
  card.append(figures);
  if (known) card.append(make("p", { class: "note" }, t("speed_note", { seconds: number(speed.seconds), decoder: t(`decoder_${speed.decoder}`) })));
  if (speed?.error) card.append(make("p", { class: "problem" }, speed.error));
  return card;
}

function draw() {
  const focused = document.activeElement?.id;
  const card = make("section", { class: "card prose", "aria-labelledby": "model-title" }, make("h2", { id: "model-title" }, t("model_title")));
  card.append(make("p", {}, t("model_now", { name: about.model.name, size: number(about.model.bytes / 1e6, 1) })));
  if (about.card) card.append(...render(about.card));
  const footer = make("p", { class: "note" }, `${t("version", { version: about.version })} · ${about.system}`);
  // A link cannot show the token.
  if (!token()) footer.append(" · ", make("a", { href: "docs" }, t("api")));
  byId("about").replaceChildren(speedCard(), card, footer);
  if (focused) byId(focused)?.focus();
}

// The card of the studio that trains the model, shows what that was worth, and switches models.
import { announce, button, disable, make, progressBar } from "./dom.js";
import { number, percent, t } from "./language.js";
import { getJson, request, sendJson } from "./server.js";

const POLL_MS = 1000;
const EXAMPLES = 6;

export class AdaptationCard {
  constructor({ changed }) {
    this.changed = changed;
    this.ran = this.broken = false;
    this.orders = 0; // sent and answered
    this.element = make("section", { class: "card", "aria-labelledby": "step-adapt" });
  }

  build() {
    this.start = button(t("adapt_start"), () => this.begin(), "solid", { id: "adapt-start", "aria-describedby": "adapt-state" });
    this.stop = button(t("adapt_stop"), () => this.end(), "soft", { id: "adapt-stop" });
    this.bar = progressBar(t("step_adapt"));
    this.line = make("p", { class: "note", role: "status", id: "adapt-state" });
    this.result = make("div", { id: "adapt-result" });
    this.choice = make("div");
    this.element.replaceChildren(
      make("div", { class: "step-head" }, make("h2", { id: "step-adapt" }, t("step_adapt"))),
      make("p", { class: "note" }, t("adapt_why")),
      make("div", { class: "actions" }, this.start, this.stop),
      this.bar.element,
      this.line,
      this.result,
      this.choice,
    );
    this.shown = this.chosen = null;
    if (this.voice) this.show(this.voice);
  }

  show(voice) {
    this.voice = voice;
    this.showJob(voice.adaptation);
    this.showChoice(voice);
  }

  showJob(job) {
    const { voice } = this;
    const running = job.state === "running";
    this.noteEnd(job, running);
    const lacks = Math.max(0, voice.least - voice.num_phrases);
    this.stop.hidden = !running;
    this.start.hidden = running;
    disable(this.start, voice.missing.length > 0 || lacks > 0);
    this.bar.element.hidden = !running;
    if (running) this.bar.set(job.stage === "training" ? job.epoch / job.epochs : null);
    const text = this.describe(job, lacks);
    if (this.line.textContent !== text) this.line.textContent = text;
    this.line.classList.toggle("problem", this.broken || job.state === "failed" || voice.missing.length > 0);
    const key = JSON.stringify(job.figures ?? null);
    if (key !== this.shown) {
      this.shown = key;
      this.result.replaceChildren(...(job.figures ? [errorTable(job.figures), exampleTable(job.figures)] : []));
    }
    clearTimeout(this.timer);
    if (running) this.timer = setTimeout(() => this.poll(), POLL_MS);
  }

  /** A server that was started anew knows nothing of what it was doing before. */
  noteEnd(job, running) {
    const figures = JSON.stringify(job.figures ?? null);
    if (running) this.broken = false;
    else if (this.ran) this.broken = !["failed", "stopped"].includes(job.state) && figures === this.before;
    this.ran = running;
    if (!running) this.before = figures;
  }

  describe(job, lacks) {
    const { missing } = this.voice;
    if (missing.length) {
      return t("adapt_missing", { packages: missing.join(", "), command: "pip install 'govor[train]'" });
    }
    if (job.state === "running") {
      if (job.stage === "training") return t("adapt_epoch", job);
      return t(job.stage === "saving" ? "adapt_measuring" : "adapt_preparing");
    }
    if (this.broken) return t("adapt_broken");
    if (job.state === "failed") return t("adapt_failed", { reason: job.message });
    if (job.state === "stopped") return t("adapt_stopped");
    if (job.state === "done") {
      const { figures } = job;
      if (!figures.helped) return t("adapt_no_help");
      return t("adapt_done", { seconds: number(figures.seconds), count: figures.num_trained, mixture: percent(figures.mixture) });
    }
    return lacks ? t("adapt_need", { count: lacks }) : "";
  }

  async poll() {
    try {
      const job = await getJson("v1/voice/adaptation");
      this.voice.adaptation = job;
      this.showJob(job);
      if (job.state !== "running") {
        announce(this.line.textContent);
        await this.changed();
      }
    } catch {
      // The server is away: its return starts all anew.
      this.timer = setTimeout(() => this.poll(), POLL_MS);
    }
  }

  async order(method) {
    this.orders += 1;
    const job = await (await request("v1/voice/adaptation", { method })).json();
    this.orders += 1;
    return job;
  }

  async begin() {
    try {
      this.showJob(await this.order("POST"));
      this.stop.focus();
    } catch (error) {
      this.line.textContent = error.message;
    }
  }

  async end() {
    try {
      this.showJob(await this.order("DELETE"));
      this.start.focus();
    } catch (error) {
      this.line.textContent = error.message;
    }
  }

  showChoice(voice) {
    const key = `${voice.has_model}|${voice.uses}`;
    if (key === this.chosen) return;
    this.chosen = key;
    if (!voice.has_model) {
      this.choice.replaceChildren();
      return;
    }
    const option = (value) => {
      const input = make("input", { type: "radio", name: "model", value, checked: voice.uses === value });
      input.addEventListener("change", () => this.use(value));
      return make("label", {}, input, t(`use_${value}`));
    };
    this.choice.replaceChildren(
      make("h3", { id: "use-model" }, t("use_model")),
      make("div", { class: "choice", role: "radiogroup", "aria-labelledby": "use-model" }, option("shipped"), option("mine")),
    );
  }

  async use(name) {
    try {
      const voice = await sendJson("v1/voice/model", { use: name }, "PUT");
      // The user stands on this very switch: it must not be drawn again.
      this.chosen = `${voice.has_model}|${voice.uses}`;
      this.line.textContent = t(`using_${name}`);
      await this.changed();
      this.line.textContent = t(`using_${name}`);
    } catch (error) {
      this.line.textContent = error.message;
    }
  }
}

function errorTable(figures) {
  const head = make("tr", {}, make("th", { scope: "col" }, t("col_set")));
  for (const name of ["col_count", "col_cer", "col_wer"]) head.append(make("th", { scope: "col", class: "number" }, t(name)));
  const rows = figures.before.map((before, index) => {
    const after = figures.after[index];
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, t(`set_${before.name}`)),
      make("td", { class: "number" }, number(before.num_utterances)),
      change(before.cer, after.cer),
      change(before.wer, after.wer),
    );
  });
  const caption = make("caption", {}, t("table_caption"));
  const table = make("table", {}, caption, make("thead", {}, head), make("tbody", {}, ...rows));
  return scrollable(table, "table_caption");
}

function change(before, after) {
  const kind = after < before - 0.0005 ? "better" : after > before + 0.0005 ? "worse" : "";
  return make("td", { class: "number" }, `${percent(before)}\u00a0→ `, make("span", { class: kind }, percent(after)));
}

function exampleTable(figures) {
  const before = figures.before[0].examples;
  const after = figures.after[0].examples;
  const pairs = before
    .map((example, index) => ({ said: example.reference, was: example.hypothesis, is: after[index].hypothesis }))
    .filter((pair) => pair.was !== pair.is)
    .slice(0, EXAMPLES);
  if (!pairs.length) return "";
  const head = ["col_said", "col_before", "col_after"].map((name) => make("th", { scope: "col" }, t(name)));
  const rows = pairs.map((pair) =>
    make("tr", { lang: "ru" }, make("td", {}, pair.said), make("td", {}, ...marked(pair.said, pair.was)), make("td", {}, ...marked(pair.said, pair.is))),
  );
  const caption = make("caption", {}, t("examples_caption"));
  const table = make("table", {}, caption, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
  return scrollable(table, "examples_caption");
}

/** A narrow window scrolls the table, by keyboard too. */
const scrollable = (table, name) => make("div", { class: "table", tabindex: 0, role: "group", "aria-label": t(name) }, table);

/** The heard words, those that do not belong to a longest common subsequence with the said ones struck out. */
function marked(said, heard) {
  const reference = said.split(" ");
  const words = heard ? heard.split(" ") : [];
  const length = Array.from({ length: words.length + 1 }, () => new Uint16Array(reference.length + 1));
  for (let i = words.length - 1; i >= 0; i -= 1) {
    for (let j = reference.length - 1; j >= 0; j -= 1) {
      length[i][j] = words[i] === reference[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
    }
  }
  const parts = [];
  let j = 0;
  words.forEach((word, i) => {
    while (j < reference.length && words[i] !== reference[j] && length[i][j + 1] === length[i][j]) j += 1;
    const right = j < reference.length && words[i] === reference[j] && length[i][j] === length[i + 1][j + 1] + 1;
    if (right) j += 1;
    parts.push(right ? word : make("del", {}, word), " ");
  });
  return parts.length ? parts : ["—"];
}

// The tab "files": several recordings at once, each with its progress, words, player and subtitles.
import { copyText } from "./copy.js";
import { announce, button, byId, make, progressBar, save, shareField } from "./dom.js";
import { FORMATS, toText } from "./export.js";
import { clock, number, onLanguage, t } from "./language.js";
import { connection, isOnline, Unreachable } from "./server.js";
import { transcribe } from "./transcribe.js";
import { measure, Wave } from "./wave.js";
import { WordList } from "./words.js";

const AT_ONCE = 2;
const PREVIEW = 240;
const items = [];

export function startFiles() {
  const input = byId("files");
  byId("choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    add([...input.files]);
    input.value = "";
  });
  shareField(byId("file-hotwords"), "hotwords");
  const drop = byId("drop");
  // Anywhere on the page: a file dropped beside the box must not replace the page.
  addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length) {
      location.hash = "files";
      add(files);
    }
  });
  connection.addEventListener("online", pump);
  // Edits are lost with the page; the browser asks first.
  addEventListener("beforeunload", (event) => {
    if (items.some((item) => item.unsaved)) event.preventDefault();
  });
  onLanguage(() => items.forEach((item) => item.render()));
}

function add(files) {
  byId("drop").classList.toggle("slim", true);
  for (const file of files) {
    const item = new FileCard(file);
    items.push(item);
    byId("file-list").append(item.element);
  }
  pump();
}

function pump() {
  if (!isOnline()) return;
  for (const item of items) {
    if (items.filter((one) => one.isBusy).length >= AT_ONCE) return;
    if (item.state === "queued") item.run().then(pump);
  }
}

class FileCard {
  constructor(file) {
    this.file = file;
    this.state = "queued";
    this.stop = new AbortController();
    this.measured = measure(file);
    this.element = make("article", { class: "card", "aria-label": file.name });
    this.render();
  }

  get isBusy() {
    return ["uploading", "recognising"].includes(this.state);
  }

  async run() {
    const started = performance.now();
    this.set("uploading");
    try {
      this.result = await transcribe(this.file, {
        signal: this.stop.signal,
        hotwords: byId("file-hotwords").value,
        onUpload: (share) => this.bar?.set(share),
        onSent: () => this.set("recognising"),
        onProgress: (seconds, text) => this.advance(seconds, text),
      });
      this.seconds = (performance.now() - started) / 1000;
      this.sound = await this.measured;
      this.set("done");
      announce(`${this.file.name}: ${this.summary()}`);
    } catch (error) {
      if (error.name === "AbortError") return;
      // The server will be back, and the file is still here.
      if (error instanceof Unreachable) {
        this.set("queued");
        return;
      }
      this.reason = error.message;
      this.set("failed");
      announce(`${this.file.name}: ${t("failed", { reason: this.reason })}`);
    }
  }

  async advance(seconds, text) {
    this.preview.textContent = text.length > PREVIEW ? `…${text.slice(-PREVIEW)}` : text;
    this.done.textContent = clock(seconds);
    const sound = await this.measured;
    if (sound && this.state === "recognising") {
      this.bar.set(Math.min(1, seconds / sound.duration));
      this.done.textContent = t("position", { now: clock(seconds), total: clock(sound.duration) });
    }
  }

  set(state) {
    this.state = state;
    this.render();
  }

  summary() {
    return t("done_in", { duration: clock(this.result.duration), seconds: number(this.seconds, 1) });
  }

  render() {
    this.halt();
    const removal = button(t("remove"), () => this.remove(removal), "quiet small", { "aria-label": `${t("remove")} ${this.file.name}` });
    const head = make("div", { class: "file-head" }, make("h2", { class: "file-name" }, this.file.name), removal);
    this.element.replaceChildren(head);
    if (this.state === "done") this.renderResult();
    else this.renderProgress();
  }

  renderProgress() {
    const waits = this.state === "queued" && !isOnline();
    const text = this.state === "failed" ? t("failed", { reason: this.reason }) : t(waits ? "waits_for_server" : this.state);
    const line = make("p", { class: this.state === "failed" ? "file-state problem" : "file-state" }, make("span", {}, text));
    this.done = make("span");
    line.append(this.done);
    this.element.append(line);
    if (this.state === "failed") {
      this.element.append(
        button(t("retry"), () => {
          this.set("queued");
          pump();
        }),
      );
      return;
    }
    this.bar = progressBar(`${this.file.name}: ${text}`);
    this.bar.set(this.state === "recognising" ? null : 0);
    this.preview = make("p", { class: "preview", lang: "ru" });
    this.element.append(this.bar.element, this.preview);
  }

  renderResult() {
    this.element.append(make("p", { class: "file-state" }, make("span", { class: "fine" }, this.summary())));
    for (const warning of this.result.warnings) this.element.append(make("p", { class: "note" }, warning));
    const { segments } = this.result;
    if (!segments.length) {
      this.element.append(make("p", {}, t("nothing_recognised")));
      return;
    }
    this.list = new WordList(segments, t("words_of", { name: this.file.name }), {
      play: (seconds) => this.playFrom(seconds),
      // Whoever types does not want to hear the rest.
      editing: () => this.player?.pause(),
      changed: () => {
        this.unsaved = true;
        this.showEdit();
      },
      chosen: () => this.showEdit(),
    });
    const tools = make("div", { class: "row" });
    if (this.sound) {
      this.player = new Audio();
      this.url ??= URL.createObjectURL(this.file);
      this.player.src = this.url;
      this.wave = new Wave(this.sound.peaks, this.sound.duration, (seconds) => this.seek(seconds));
      this.playButton = button(t("play"), () => this.toggle(), "solid small");
      for (const name of ["play", "pause", "ended"]) this.player.addEventListener(name, () => this.follow());
      this.place = make("span", { class: "clock", "aria-hidden": "true" });
      tools.append(this.playButton, this.place);
      this.element.append(this.wave.element);
    } else {
      this.element.append(make("p", { class: "note" }, t("no_waveform")));
    }
    this.editButton = button(t("edit_word"), () => this.list.edit(), "soft small");
    tools.append(this.editButton, this.exports());
    this.element.append(this.list.element, tools);
    if (this.sound) this.showPlace(0);
    byId("words-help").hidden = false;
    this.showEdit();
  }

  exports() {
    const group = make("div", { class: "row", role: "group", "aria-label": t("export_group", { name: this.file.name }) });
    const copy = async (event) => {
      if (await copyText(toText(this.result.segments), event.currentTarget)) this.unsaved = false;
    };
    group.append(button(t("copy"), copy, "soft small", { "aria-label": t("copy_text", { name: this.file.name }) }));
    for (const [kind, [type, write]] of Object.entries(FORMATS)) {
      const text = kind.toUpperCase();
      const act = () => {
        const stem = this.file.name.replace(/\.[^.]+$/, "");
        save(`${stem}.${kind}`, type, write(this.result.segments, this.file.name, this.result.duration));
        this.unsaved = false;
      };
      group.append(button(text, act, "soft small", { "aria-label": t("download", { kind: text }) }));
    }
    return group;
  }

  showEdit() {
    const word = this.list.words[this.list.current];
    this.editButton.textContent = word?.text ? t("edit_this", { word: word.text }) : t("edit_word");
  }

  playFrom(seconds) {
    if (!this.player) return;
    this.player.currentTime = Math.max(0, seconds - 0.05);
    this.player.play().catch(() => {});
    this.tick();
  }

  seek(seconds) {
    this.player.currentTime = seconds;
    this.tick();
  }

  toggle() {
    if (this.player.paused) this.player.play().catch(() => {});
    else this.player.pause();
  }

  follow() {
    this.playButton.textContent = t(this.player.paused ? "play" : "stop_playing");
    if (this.player.paused) return;
    for (const item of items) if (item !== this) item.player?.pause();
    this.tick();
  }

  tick() {
    cancelAnimationFrame(this.frame);
    const now = this.player.currentTime;
    this.wave.show(now, this.list.light(now));
    this.showPlace(now);
    if (!this.player.paused) this.frame = requestAnimationFrame(() => this.tick());
  }

  showPlace(now) {
    this.place.textContent = `${clock(now)} / ${clock(this.sound.duration)}`;
  }

  halt() {
    cancelAnimationFrame(this.frame);
    this.player?.pause();
    this.player = null;
  }

  /** Corrections that are not saved yet are asked about. */
  remove(pressed) {
    if (!this.unsaved || pressed.dataset.sure) {
      this.leave();
      return;
    }
    pressed.dataset.sure = "yes";
    pressed.textContent = t("sure_unsaved");
    pressed.setAttribute("aria-label", `${t("sure_unsaved")} ${this.file.name}`);
    pressed.classList.add("problem");
  }

  leave() {
    this.stop.abort();
    this.halt();
    if (this.url) URL.revokeObjectURL(this.url);
    items.splice(items.indexOf(this), 1);
    this.element.remove();
    byId("drop").classList.toggle("slim", items.length > 0);
    byId("words-help").hidden = !items.some((item) => item.list);
    byId("choose").focus();
    pump();
  }
}

// The card of the studio that shows what is recorded, plays and deletes it, and looks it over.
import { announce, button, disable, make } from "./dom.js";
import { number, plural, t } from "./language.js";
import { request, sendJson } from "./server.js";

const figure = (value, label) => make("div", { class: "figure" }, make("b", {}, value), make("span", {}, label));

export class CollectionCard {
  constructor({ refresh, discard }) {
    this.refresh = refresh;
    this.discard = discard;
    this.figures = make("div", { class: "figures" });
    this.pending = make("p", { class: "note", role: "status" });
    this.list = make("ul", { class: "takes", id: "takes" });
    this.details = make("details", { id: "kept-list" }, make("summary", {}, t("kept_list")), this.list);
    this.auditButton = button(t("audit"), () => this.audit(), "soft small", { id: "audit" });
    this.report = make("div", { id: "audit-report" });
    this.title = make("h2", { id: "step-kept", tabindex: -1 }, t("step_kept"));
    this.element = make(
      "section",
      { class: "card", "aria-labelledby": "step-kept" },
      make("div", { class: "step-head" }, this.title, this.auditButton),
      this.figures,
      this.report,
      this.pending,
      this.details,
    );
  }

  show(voice, pending) {
    const key = JSON.stringify([voice.recordings, voice.num_phrases, pending.map((take) => [take.id, take.refused])]);
    // Drawing it again would take the focus away.
    if (key === this.key) return;
    this.key = key;
    this.figures.replaceChildren(
      figure(number(voice.num_phrases), plural("phrases_kept", voice.num_phrases)),
      figure(number(voice.seconds / 60, 1), t("minutes")),
      figure(number(voice.num_speakers), plural("speakers", voice.num_speakers)),
    );
    const waits = pending.filter((take) => !take.refused).length;
    this.pending.textContent = waits ? t("waiting_count", { count: waits }) : "";
    disable(this.auditButton, voice.num_phrases === 0);
    this.details.hidden = !voice.num_phrases && !pending.length;
    this.list.replaceChildren(
      ...pending.map((take) => this.pendingRow(take)),
      ...voice.recordings.map((item) => this.row(item, make("span", { class: "time" }, `${number(item.seconds, 1)} ${t("unit_second")}`))),
    );
  }

  pendingRow(take) {
    const note = take.refused ? t("refused", { reason: take.refused }) : t("waiting");
    const throwAway = take.refused ? button(t("discard"), () => this.discard(take), "quiet small") : null;
    return make(
      "li",
      {},
      make("span", { class: "text", lang: "ru" }, take.phrase),
      make("span", { class: take.refused ? "problem" : "waiting" }, note),
      throwAway,
    );
  }

  /** A recording with what there is to say about it, to be listened to and deleted. */
  row(item, note) {
    const remove = button(t("delete"), () => this.remove(item, remove), "quiet small", {
      "aria-label": t("delete_phrase", { phrase: item.text }),
    });
    return make(
      "li",
      { "data-id": item.id },
      make("span", { class: "text" }, make("span", { lang: "ru" }, item.text), " ", note),
      button("▶", () => this.play(item), "quiet small", { "aria-label": t("listen_phrase", { phrase: item.text }) }),
      remove,
    );
  }

  complain(error) {
    this.report.replaceChildren(make("p", { class: "problem", role: "alert" }, error.message));
  }

  async play(item) {
    this.player?.pause();
    let sound;
    try {
      // Fetched rather than pointed at: an audio element cannot show the token.
      sound = await (await request(`v1/voice/recordings/${item.id}`)).blob();
    } catch (error) {
      this.complain(error);
      return;
    }
    this.player = new Audio(URL.createObjectURL(sound));
    this.player.addEventListener("pause", () => URL.revokeObjectURL(this.player.src), { once: true });
    await this.player.play().catch(() => {});
  }

  async remove(item, pressed) {
    if (!pressed.dataset.sure) {
      pressed.dataset.sure = "yes";
      pressed.textContent = t("sure");
      pressed.setAttribute("aria-label", `${t("sure")} ${item.text}`);
      pressed.classList.add("problem");
      announce(pressed.getAttribute("aria-label"));
      return;
    }
    try {
      await request(`v1/voice/recordings/${item.id}`, { method: "DELETE" });
      announce(t("deleted", { phrase: item.text }));
      const rows = [...this.element.querySelectorAll("li")];
      rows.filter((row) => row.dataset.id === item.id).forEach((row) => row.remove());
    } catch (error) {
      this.complain(error);
    }
    this.title.focus();
    await this.refresh();
  }

  async audit() {
    disable(this.auditButton, true);
    this.report.replaceChildren(make("p", { class: "note" }, t("auditing")));
    announce(t("auditing"));
    try {
      this.showAudit(await sendJson("v1/voice/audit", {}));
    } catch (error) {
      this.complain(error);
    }
    disable(this.auditButton, false);
  }

  showAudit(found) {
    const suspects = Object.entries(found.suspects).flatMap(([kind, list]) => list.map((one) => ({ kind, ...one })));
    const ids = new Set(suspects.map((one) => one.id));
    const levels = t("audit_levels", { speech: number(found.medians.speech ?? NaN), snr: number(found.medians.snr ?? NaN) });
    const verdict = ids.size
      ? make("p", {}, t("audit_suspects", { count: ids.size, total: found.num_phrases }))
      : make("p", { class: "fine" }, t("audit_fine", { count: found.num_phrases }));
    const rows = suspects.map((one) =>
      this.row(one, make("span", { class: "time" }, t(`suspect_${one.kind}`, { note: one.note || "—" }))),
    );
    announce(verdict.textContent);
    this.report.replaceChildren(verdict, make("p", { class: "note" }, levels));
    if (rows.length) this.report.append(make("ul", { class: "takes" }, ...rows));
  }
}

// Recognised words as buttons: lit as they sound, played from on a click, edited on a double click or F2.
import { announce, make } from "./dom.js";
import { t } from "./language.js";

const UNSURE = 0.5;
const REMOVED = "·";

const kind = (word) => (word.edited ? "word edited" : word.confidence < UNSURE ? "word unsure" : "word");

export class WordList {
  /**
   * `play(seconds)` when a word is picked, `editing()` before an edit, `changed()` after it, `chosen(word)` when
   * another is current.
   */
  constructor(segments, label, { play, editing, changed, chosen }) {
    this.segments = segments;
    this.play = play;
    this.editing = editing;
    this.changed = changed;
    this.chosen = chosen;
    this.words = segments.flatMap((segment) => segment.words);
    this.lit = null;
    this.current = 0;
    this.buttons = [];
    this.element = make("div", { class: "words", role: "group", lang: "ru", "aria-label": label });
    for (const segment of segments) this.element.append(this.paragraph(segment));
    this.element.addEventListener("keydown", (event) => this.press(event));
  }

  paragraph(segment) {
    const line = make("p");
    for (const word of segment.words) {
      const index = this.buttons.length;
      const element = make(
        "button",
        {
          type: "button",
          class: kind(word),
          tabindex: index === 0 ? 0 : -1,
          onclick: () => {
            this.choose(index);
            this.play(word.start);
          },
          ondblclick: () => this.edit(index),
        },
        word.text || REMOVED,
      );
      this.buttons.push(element);
      line.append(element, " ");
    }
    return line;
  }

  choose(index, focus = false) {
    if (!this.buttons.length) return;
    this.buttons[this.current].tabIndex = -1;
    this.current = Math.max(0, Math.min(this.buttons.length - 1, index));
    this.buttons[this.current].tabIndex = 0;
    if (focus) this.buttons[this.current].focus();
    this.chosen(this.words[this.current]);
  }

  press(event) {
    if (event.target.tagName === "INPUT") return;
    const moves = { ArrowRight: this.current + 1, ArrowLeft: this.current - 1, Home: 0, End: this.buttons.length - 1 };
    if (event.key in moves) {
      event.preventDefault();
      this.choose(moves[event.key], true);
    } else if (event.key === "F2") {
      event.preventDefault();
      this.edit(this.current);
    }
  }

  edit(index = this.current) {
    const word = this.words[index];
    const element = this.buttons[index];
    if (!word || element.hidden) return;
    this.choose(index);
    this.editing();
    const input = make("input", {
      type: "text",
      class: "word-input",
      value: word.text,
      size: Math.max(4, word.text.length + 1),
      "aria-label": t("word_input", { word: word.text }),
    });
    let open = true;
    const close = (keep, back) => {
      if (!open) return;
      open = false;
      const text = input.value.trim().replace(/\s+/g, " ");
      input.remove();
      element.hidden = false;
      if (keep && text !== word.text) {
        word.text = text;
        // Somebody has looked at it now.
        word.confidence = 1;
        word.edited = true;
        element.textContent = text || REMOVED;
        element.className = kind(word);
        announce(text);
        this.changed();
      }
      if (back) element.focus();
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === "Escape") {
        event.preventDefault();
        close(event.key === "Enter", true);
      }
    });
    input.addEventListener("blur", () => close(true, false));
    element.hidden = true;
    element.after(input);
    input.focus();
    input.select();
  }

  /** Light the word that sounds at `seconds` and return it. */
  light(seconds) {
    let low = 0;
    let high = this.words.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.words[middle].start <= seconds) low = middle + 1;
      else high = middle;
    }
    const index = low - 1;
    const word = index >= 0 && seconds < this.words[index].end + 0.05 ? this.words[index] : null;
    if (word !== this.lit) {
      this.element.querySelector(".lit")?.classList.remove("lit");
      this.lit = word;
      if (word) this.reveal(this.buttons[index]);
    }
    return word;
  }

  reveal(element) {
    element.classList.add("lit");
    const box = this.element;
    const top = element.offsetTop - box.offsetTop;
    if (top < box.scrollTop || top > box.scrollTop + box.clientHeight - 40) box.scrollTop = top - box.clientHeight / 3;
  }
}

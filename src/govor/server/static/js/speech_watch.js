// When a speaker has finished a phrase: so much silence after speech, more for one who has said too little.
import { levelDb, RATE } from "./capture.js";

const SILENCE_SECONDS = 1;
const PATIENCE_SECONDS = 1.2;
const UNHURRIED_LETTERS = 18;
const ABOVE_NOISE_DB = 12;
const QUIETEST_DB = -55;
const ONSET_BLOCKS = 3;
const FLOOR_SECONDS = 4;

export class SpeechWatch {
  constructor(phrase) {
    this.letters = (phrase.toLowerCase().match(/[а-яё]/g) ?? []).length;
    this.seconds = 0;
    this.run = 0;
    this.start = null;
    this.end = null;
    this.levels = [];
  }

  get speaking() {
    return this.start !== null && this.seconds - this.end < 0.3;
  }

  /** Take a block of samples; return whether the phrase is over. */
  feed(samples) {
    const level = levelDb(samples);
    const length = samples.length / RATE;
    this.seconds += length;
    this.levels.push(level);
    if (this.levels.length * length > FLOOR_SECONDS) this.levels.shift();
    const floor = [...this.levels].sort((one, other) => one - other)[Math.floor(this.levels.length / 10)];
    const isSpeech = level > Math.max(floor + ABOVE_NOISE_DB, QUIETEST_DB);
    this.run = isSpeech ? this.run + 1 : 0;
    if (this.run >= ONSET_BLOCKS || (isSpeech && this.start !== null)) {
      this.start ??= this.seconds - this.run * length;
      this.end = this.seconds;
    }
    if (this.start === null) return false;
    const spoken = Math.max(this.end - this.start, 0.001);
    const wait = SILENCE_SECONDS + (this.letters / spoken > UNHURRIED_LETTERS ? PATIENCE_SECONDS : 0);
    return this.seconds - this.end >= wait;
  }
}

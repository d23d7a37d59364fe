// A live stream to the server that survives the server: what has no final text yet is kept and sent again.
import { RATE } from "./capture.js";
import { noteAway, noteHere, readMessage, Refused, request, socketAddress, token } from "./server.js";
import { toInt16 } from "./resampler.js";

const KEPT_SECONDS = 180;
const RETRY_MS = 700;
// The last sound of a word is softer than its end says; sent again it would be heard as another word.
const WORD_TAIL = 0.2;
const FINISH_MS = 20_000;
// What the socket has not passed on yet; more would only fill the memory.
const MOST_BUFFERED = 1 << 20;

export class LiveStream extends EventTarget {
  /** Events: "partial" and "final" (detail: the server's event, times from the very start), "state", "refused". */
  constructor(options) {
    super();
    this.options = options;
    this.blocks = []; // Int16Array, not yet known to be part of a final text
    this.first = 0; // the number of the first sample that is kept
    this.total = 0; // samples since the start
    this.sent = 0; // the number of the next sample to send
    this.base = 0; // where the server's clock started
    this.state = "connecting";
    this.connect();
  }

  get seconds() {
    return this.total / RATE;
  }

  /** Take Float32Array samples at 16 kHz. */
  feed(samples) {
    const block = toInt16(samples);
    this.blocks.push(block);
    this.total += block.length;
    if (this.total - this.first > KEPT_SECONDS * RATE) this.forget(this.total - (KEPT_SECONDS - 30) * RATE, true);
    this.flush();
  }

  /** End the stream: resolves when the last words are here. */
  finish() {
    if (this.state === "done") return Promise.resolve();
    this.ending = true;
    this.flush();
    this.hurry();
    return new Promise((resolve) => this.addEventListener("done", resolve, { once: true }));
  }

  /** A server that is there must get on with the last words; one that is away is waited for. */
  hurry() {
    clearTimeout(this.deadline);
    if (this.ending && this.ready) this.deadline = setTimeout(() => this.close(), FINISH_MS);
  }

  close() {
    clearTimeout(this.deadline);
    clearTimeout(this.timer);
    this.socket?.close();
    this.setState("done");
    this.dispatchEvent(new Event("done"));
  }

  setState(state) {
    if (this.state === state || this.state === "done") return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  connect() {
    this.ready = this.endSent = this.opened = false;
    const place = socketAddress("v1/stream");
    // A browser cannot give a WebSocket a header.
    if (token()) place.searchParams.set("token", token());
    const socket = new WebSocket(place);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.base = this.sent = this.first;
      socket.send(JSON.stringify({ type: "start", sample_rate: RATE, ...this.options }));
      this.ready = this.opened = true;
      noteHere();
      this.setState("listening");
      this.flush();
      this.hurry();
    };
    socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    socket.onclose = ({ code }) => this.lose(code);
  }

  hear(message) {
    this.hurry();
    if (message.type === "error") {
      this.error = { code: message.code ?? message.error?.code, text: readMessage(message, JSON.stringify(message)) };
      return;
    }
    if (message.type !== "partial" && message.type !== "final") return;
    const shift = this.base / RATE;
    const event = {
      ...message,
      start: (message.start ?? 0) + shift,
      end: (message.end ?? 0) + shift,
      words: (message.words ?? []).map((word) => ({ ...word, start: word.start + shift, end: word.end + shift })),
    };
    if (message.type === "final") this.forget(Math.round((event.end + WORD_TAIL) * RATE), false);
    this.dispatchEvent(new CustomEvent(message.type, { detail: event }));
  }

  async lose(code) {
    if (this.state === "done") return undefined;
    this.ready = false;
    clearTimeout(this.deadline);
    if (this.endSent && code === 1000) return this.close();
    if (this.error) return this.giveUp(this.error.text);
    if (this.opened) {
      this.setState("reconnecting");
      noteAway();
    } else {
      // A refused handshake tells a page nothing; an ordinary request does, and asks for the token.
      try {
        await request("v1/info");
      } catch (error) {
        if (error instanceof Refused) return this.giveUp(error.message);
        this.setState("reconnecting");
      }
      if (this.state === "done") return undefined;
    }
    this.timer = setTimeout(() => this.connect(), RETRY_MS);
    return undefined;
  }

  giveUp(reason) {
    this.dispatchEvent(new CustomEvent("refused", { detail: reason }));
    this.close();
  }

  /** Send what is due, as fast as the socket takes it. */
  flush() {
    // Between the server's goodbye and the event of it the socket takes nothing.
    if (!this.ready || this.socket.readyState !== WebSocket.OPEN) return;
    let number = this.first;
    for (const block of this.blocks) {
      if (number >= this.sent) {
        if (this.socket.bufferedAmount > MOST_BUFFERED) {
          setTimeout(() => this.flush(), 50);
          return;
        }
        this.socket.send(block);
        this.sent = number + block.length;
      }
      number += block.length;
    }
    if (this.ending && !this.endSent) {
      this.endSent = true;
      this.socket.send(JSON.stringify({ type: "end" }));
    }
  }

  /** Let go of whole blocks before sample `until`. */
  forget(until, isLost) {
    let dropped = 0;
    while (this.blocks.length && this.first + this.blocks[0].length <= until) {
      if (this.first >= this.sent) dropped += this.blocks[0].length;
      this.first += this.blocks.shift().length;
    }
    this.sent = Math.max(this.sent, this.first);
    if (isLost && dropped) this.dispatchEvent(new CustomEvent("lost", { detail: dropped / RATE }));
  }
}

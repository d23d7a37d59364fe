// Band-limited resampling of a stream: a windowed sinc (Kaiser) evaluated at the exact place of each sample.

const HALF_WIDTH = 32; // zero crossings on either side
const BETA = 9; // about 90 dB of stop band
const STEPS = 512; // table entries per zero crossing, interpolated linearly

function bessel0(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > sum * 1e-12; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function makeTable() {
  const table = new Float32Array(HALF_WIDTH * STEPS + 2);
  for (let index = 0; index <= HALF_WIDTH * STEPS; index += 1) {
    const x = index / STEPS;
    const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
    table[index] = (sinc * bessel0(BETA * Math.sqrt(1 - (x / HALF_WIDTH) ** 2))) / bessel0(BETA);
  }
  return table;
}

const TABLE = makeTable();

export class Resampler {
  /** From `source` Hz to `target` Hz; what lies above 0.9 of the lower half rate is taken out. */
  constructor(source, target) {
    this.step = source / target;
    // The edge of the pass band lies below the half rate by what the slope needs, so that nothing folds back.
    this.cutoff = source === target ? 1 : Math.min(1, target / source) * 0.9;
    this.reach = Math.ceil(HALF_WIDTH / this.cutoff);
    // Sound starts at time 0: what comes before it is silence.
    this.buffer = new Float32Array(this.reach);
    this.position = this.reach;
    this.same = source === target;
  }

  /** Take Float32Array samples, return those that are ready at the target rate. */
  feed(samples) {
    if (this.same) return samples;
    const joined = new Float32Array(this.buffer.length + samples.length);
    joined.set(this.buffer);
    joined.set(samples, this.buffer.length);
    const count = Math.max(0, Math.ceil((joined.length - this.reach - this.position) / this.step));
    const output = new Float32Array(count);
    for (let index = 0; index < count; index += 1) {
      output[index] = this.at(joined, this.position + index * this.step);
    }
    this.position += count * this.step;
    const done = Math.max(0, Math.floor(this.position) - this.reach);
    this.buffer = joined.slice(done);
    this.position -= done;
    return output;
  }

  at(samples, place) {
    const first = Math.max(0, Math.ceil(place - this.reach));
    const last = Math.min(samples.length - 1, Math.floor(place + this.reach));
    let sum = 0;
    for (let index = first; index <= last; index += 1) {
      const x = Math.abs(place - index) * this.cutoff * STEPS;
      const low = Math.floor(x);
      if (low >= HALF_WIDTH * STEPS) continue;
      const weight = TABLE[low] + (TABLE[low + 1] - TABLE[low]) * (x - low);
      sum += samples[index] * weight;
    }
    return sum * this.cutoff;
  }
}

/** Float samples, full scale ±1, as signed 16-bit integers. */
export function toInt16(samples) {
  const numbers = new Int16Array(samples.length);
  for (let index = 0; index < samples.length; index += 1) {
    numbers[index] = Math.max(-32768, Math.min(32767, Math.round(samples[index] * 32768)));
  }
  return numbers;
}

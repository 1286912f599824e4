// What does a change of a part of the picture change in the network? In front of the cut only that is computed.
//
// The first maps are the largest, and a patch changes few of their cells: the network runs on a window of the picture,
// and what the patch changes is put into the maps of the untouched picture. Behind the cut it runs in full.
import type { About, Span } from './about';
import type { Pixels } from './album';
import { PICTURES, SCORES, type Part, type Runs, type Value, type Values } from './network';

type Range = readonly [from: number, to: number]; // the last one is left out
export type Area = readonly [rows: Range, columns: Range];
type Cut = NonNullable<About['cut']>;

const CLOSE = 1e-3; // of the largest score: more than that between the two ways, and only the whole network is asked

/** Rows and columns between which two pictures differ; null where they are the same. */
export function changed(before: Pixels, after: Pixels, [h, w]: readonly [number, number]): Area | null {
  let [top, bottom, left, right] = [h, 0, w, 0];
  for (let at = 0; at < before.length; at += w) {
    const y = (at / w) % h;
    for (let x = 0; x < w; x++)
      if (before[at + x] !== after[at + x]) {
        (top = Math.min(top, y)), (bottom = Math.max(bottom, y + 1));
        (left = Math.min(left, x)), (right = Math.max(right, x + 1));
      }
  }
  return bottom ? [[top, bottom], [left, right]] : null; // prettier-ignore
}

/** Cells of an axis that see some of the pixels. */
export function seeing([first, last]: Span, [from, to]: Range): Range {
  let [a, b] = [0, first.length];
  while (a < b && last[a] < from) a++;
  while (b > a && first[b - 1] >= to) b--;
  return [a, b];
}

/** The pixels that these cells see, widened to multiples of `step`. */
export function windowOf([first, last]: Span, [from, to]: Range, step: number, length: number): Range {
  if (from === to) return [0, Math.min(step, length)]; // no cell sees them: any window does
  let [a, b] = [length, 0];
  for (let cell = from; cell < to; cell++) (a = Math.min(a, first[cell])), (b = Math.max(b, last[cell] + 1));
  return [Math.floor(a / step) * step, Math.min(length, Math.ceil(b / step) * step)];
}

/** Maps of the untouched picture of which a part is another picture's; what was put in before is taken out again. */
class Patched {
  readonly value: Value;
  #before: Area | null = null;

  constructor(readonly clean: Value) {
    this.value = { dims: clean.dims, data: clean.data.slice() };
  }

  /** The cells of `area` are taken from maps whose first cell is the one at `corner`. */
  put(area: Area, from: Value, corner: readonly [number, number]): void {
    if (this.#before) this.#copy(this.#before, this.clean, [0, 0]);
    this.#copy(area, from, corner);
    this.#before = area;
  }

  #copy([[top, bottom], [left, right]]: Area, from: Value, [y0, x0]: readonly [number, number]): void {
    const [, channels, h, w] = this.value.dims;
    const [, , fh, fw] = from.dims;
    const [to, data] = [this.value.data, from.data]; // rows are short: a loop is quicker than a view of each
    for (let c = 0; c < channels; c++)
      for (let y = top; y < bottom; y++)
        for (let x = left, at = (c * h + y) * w, there = (c * fh + y - y0) * fw - x0; x < right; x++) to[at + x] = data[there + x];
  }
}

/** A half of the network twice: a layer that is an output keeps the runtime from merging it with the next one. */
class Half {
  private constructor(
    readonly bare: Part,
    readonly watched: Part,
  ) {}

  static async of(network: Runs, from: string, to: string, layers: readonly string[]): Promise<Half> {
    const bare = await network.between([from], [to]);
    return new Half(bare, layers.length ? await network.between([from], [to, ...layers]) : bare);
  }

  pass(given: Values, wanted: readonly string[]): Promise<Values> {
    return (wanted.length > 1 ? this.watched : this.bare).pass(given, wanted);
  }

  close(): void {
    for (const part of new Set([this.bare, this.watched])) part.close();
  }
}

/** The two halves of the network, for some layers to be followed. */
export class Halves {
  #maps = new Map<string, Patched>();
  #clean: Values | null = null;

  private constructor(
    readonly about: About,
    readonly cut: Cut,
    readonly front: Half,
    readonly rest: Half,
  ) {}

  close(): void {
    this.front.close();
    this.rest.close();
  }

  /** Null where the network has no cut, or cannot be divided there. */
  static async of(network: Runs, about: About, layers: readonly string[]): Promise<Halves | null> {
    const cut = about.cut;
    if (!cut) return null;
    const ahead = layers.filter((name) => name in cut.strides && name !== cut.layer);
    const later = layers.filter((name) => !(name in cut.strides));
    try {
      const rest = await Half.of(network, cut.layer, SCORES, later);
      return new Halves(about, cut, await Half.of(network, PICTURES, cut.layer, ahead), rest);
    } catch {
      return null; // what comes later also needs something in front of the cut
    }
  }

  /** `scores` and the layers of a changed picture; `clean` are the values of the untouched one, the cut among them. */
  async run(pixels: Pixels, clean: Values, area: Area, wanted: readonly string[]): Promise<Values> {
    const { cut, about } = this;
    if (clean !== this.#clean) this.#maps.clear();
    this.#clean = clean;
    const ahead = [cut.layer, ...wanted.filter((name) => name in cut.strides && name !== cut.layer)];
    const later = [SCORES, ...wanted.filter((name) => name !== SCORES && !(name in cut.strides))];
    const cells = new Map(ahead.map((name) => [name, [seeing(about.fields[name].rows, area[0]), seeing(about.fields[name].columns, area[1])] as const]));
    const [rows, columns] = this.#window(cells);
    const made = await this.front.pass({ [PICTURES]: cropped(pixels, about, rows, columns) }, ahead);
    const found: Values = {};
    for (const name of ahead) {
      let maps = this.#maps.get(name);
      if (!maps) this.#maps.set(name, (maps = new Patched(clean[name])));
      maps.put(cells.get(name)!, made[name], [rows[0] / cut.strides[name], columns[0] / cut.strides[name]]);
      if (wanted.includes(name)) found[name] = maps.value;
    }
    return { ...found, ...(await this.rest.pass({ [cut.layer]: this.#maps.get(cut.layer)!.value }, later)) };
  }

  /** Whether both ways lead to the same scores. */
  async agrees(pixels: Pixels, clean: Values, area: Area, scores: Float32Array): Promise<boolean> {
    const mine = (await this.run(pixels, clean, area, [SCORES])).scores.data;
    const largest = scores.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    return mine.every((v, i) => Math.abs(v - scores[i]) <= CLOSE * largest);
  }

  #window(cells: Map<string, Area>): Area {
    const ends = [0, 1].map((axis) => {
      const all = [...cells].map(([name, area]) => windowOf(this.about.fields[name][axis ? 'columns' : 'rows'], area[axis], this.cut.step, this.about.size[axis]));
      return [Math.min(...all.map(([from]) => from)), Math.max(...all.map(([, to]) => to))] as Range;
    });
    return [ends[0], ends[1]];
  }
}

function cropped(pixels: Pixels, { size: [h, w], channels }: About, [top, bottom]: Range, [left, right]: Range): Value {
  const [rows, columns] = [bottom - top, right - left];
  const data = new Float32Array(channels * rows * columns);
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < rows; y++) data.set(pixels.subarray((c * h + top + y) * w + left, (c * h + top + y) * w + right), (c * rows + y) * columns);
  return { dims: [1, channels, rows, columns], data };
}

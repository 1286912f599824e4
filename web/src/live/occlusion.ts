// Which parts of the picture does a score rest on? Hide each in turn, coarse places first, so that a map forms early.
import type { Box } from '../types';

/** 0, stride, 2·stride, … and a last one flush with the edge. */
export function starts(length: number, patch: number, stride: number): number[] {
  const made = [];
  for (let at = 0; at < length - patch; at += stride) made.push(at);
  return [...made, length - patch];
}

export interface Grid {
  boxes: Box[]; // row by row
  rows: number;
  columns: number;
}

export function grid([h, w]: readonly [number, number], patch: number, stride: number): Grid {
  const [tops, lefts] = [starts(h, patch, stride), starts(w, patch, stride)];
  return {
    boxes: tops.flatMap((y) => lefts.map((x) => ({ y, x, h: patch, w: patch }))),
    rows: tops.length,
    columns: lefts.length,
  };
}

/** A fourteenth of the short side, at least 4 pixels, as Python takes it; large pictures are gone through in whole patches. */
export function defaults([h, w]: readonly [number, number]): { patch: number; stride: number } {
  const side = Math.min(h, w);
  const patch = Math.min(side, Math.max(4, Math.floor(side / 14)));
  return { patch, stride: side > 96 ? patch : Math.max(1, Math.floor(patch / 2)) };
}

/** Places of the grid, every eighth row and column first, then those between: each once. */
export function levels({ rows, columns }: Pick<Grid, 'rows' | 'columns'>): number[][] {
  const seen = new Set<number>();
  const found: number[][] = [];
  for (let skip = 8; skip >= 1; skip /= 2) {
    const level: number[] = [];
    for (const y of lines(rows, skip)) for (const x of lines(columns, skip)) level.push(y * columns + x);
    const fresh = level.filter((place) => !seen.has(place));
    fresh.forEach((place) => seen.add(place));
    if (fresh.length) found.push(fresh);
  }
  return found;
}

function lines(n: number, skip: number): number[] {
  const every = Array.from({ length: Math.ceil(n / skip) }, (_, i) => i * skip);
  return every.at(-1) === n - 1 ? every : [...every, n - 1];
}

/** Each pixel gets the average of the drops of the boxes that cover it; null drops are not known yet. */
export function spread(grid: Grid, drops: (number | null)[], [h, w]: readonly [number, number]): Float32Array<ArrayBuffer> {
  const [sum, count] = [new Float64Array(h * w), new Float64Array(h * w)];
  filled(grid, drops).forEach((drop, i) => {
    const box = grid.boxes[i];
    for (let y = box.y; y < box.y + box.h; y++)
      for (let at = y * w + box.x; at < y * w + box.x + box.w; at++) (sum[at] += drop), count[at]++;
  });
  return Float32Array.from(sum, (v, i) => (count[i] ? v / count[i] : 0));
}

/** Unknown places take the answer of the nearest known one. */
function filled({ rows, columns }: Grid, drops: (number | null)[]): number[] {
  const known = drops.flatMap((drop, i) => (drop === null ? [] : [i]));
  if (known.length === drops.length) return drops as number[];
  return drops.map((drop, i) => {
    if (drop !== null) return drop;
    const [y, x] = [Math.floor(i / columns), i % columns];
    let [best, least] = [0, rows * rows + columns * columns];
    for (const k of known) {
      const far = (Math.floor(k / columns) - y) ** 2 + ((k % columns) - x) ** 2;
      if (far < least) [best, least] = [k, far];
    }
    return drops[best]!;
  });
}

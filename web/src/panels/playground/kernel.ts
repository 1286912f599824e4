// What does a kernel made by hand find? The same sum as `convsight.imaging.hand_filters` and `methods/convolve.py`, in the page.

/** One grid (grey) or three (red | green | blue), each rows of weights. */
export type Kernel = number[][][];

export interface FeatureMap {
  height: number;
  width: number;
  values: Float32Array;
}

export interface Planes {
  channels: number;
  height: number;
  width: number;
  /** c·h·w values in [0, 1]. */
  values: Float32Array;
}

export const LARGEST = 9;
const MOST = 1e6;

/** The kernel that a text such as "-1 0 1; -2 0 2; -1 0 1" says; an Error tells what is wrong with it. */
export function parse(text: string): Kernel {
  const planes = text.split('|').map((plane) => grid(plane, text));
  if (planes.length !== 1 && planes.length !== 3) {
    throw new Error(`A kernel has 1 grid (grey) or 3 (red | green | blue), not ${planes.length}.`);
  }
  const shapes = new Set(planes.map((plane) => `${plane.length}×${plane[0].length}`));
  if (shapes.size > 1) throw new Error(`The three grids have one size, not ${[...shapes].join(', ')}.`);
  return planes;
}

function grid(plane: string, text: string): number[][] {
  const rows = plane
    .trim()
    .replace(/;\s*$/, '')
    .split(';')
    .map((row) => row.replace(/,/g, ' ').split(/\s+/).filter(Boolean));
  if (!rows[0].length) throw new Error(`Type numbers, rows separated by semicolons: "-1 0 1; -2 0 2; -1 0 1".`);
  if (new Set(rows.map((row) => row.length)).size > 1) {
    throw new Error(
      `Every row needs as many numbers; the rows of "${text.trim()}" have ${rows.map((r) => r.length).join(', ')}.`,
    );
  }
  return rows.map((row) => row.map(weight));
}

function weight(word: string): number {
  const value = Number(word.replace('−', '-'));
  if (!Number.isFinite(value) || Math.abs(value) > MOST)
    throw new Error(`"${word}" is not a weight between −1e6 and 1e6.`);
  return value;
}

/** The text that Python reads back as the same kernel. */
export function format(kernel: Kernel): string {
  return kernel.map((plane) => plane.map((row) => row.map(shorter).join(' ')).join('; ')).join(' | ');
}

function shorter(value: number): string {
  const rounded = Number(value.toPrecision(7));
  return String(Object.is(rounded, -0) ? 0 : rounded);
}

/** The same kernel on a grid of `rows` × `columns`: cut or padded with zeros evenly around its centre. */
export function resized(kernel: Kernel, rows: number, columns: number): Kernel {
  return kernel.map((plane) => {
    const top = Math.floor((rows - plane.length) / 2);
    const left = Math.floor((columns - plane[0].length) / 2);
    return Array.from({ length: rows }, (_, y) =>
      Array.from({ length: columns }, (_, x) => plane[y - top]?.[x - left] ?? 0),
    );
  });
}

export const mirrored = (kernel: Kernel): Kernel => kernel.map((plane) => plane.map((row) => [...row].reverse()));
export const turned = (kernel: Kernel): Kernel =>
  kernel.map((plane) => plane[0].map((_, x) => plane.map((row) => row[x]).reverse()));
export const negated = (kernel: Kernel): Kernel =>
  kernel.map((plane) => plane.map((row) => row.map((v) => (v ? -v : 0))));
export const emptied = (kernel: Kernel): Kernel => kernel.map((plane) => plane.map((row) => row.map(() => 0)));

/** One grid for grey pictures: the mean of three, or three equal ones from one. */
export function planes(kernel: Kernel, count: 1 | 3): Kernel {
  if (kernel.length === count) return kernel;
  if (count === 3) return [0, 1, 2].map(() => kernel[0].map((row) => row.map((v) => v / 3)));
  return [kernel[0].map((row, y) => row.map((v, x) => v + kernel[1][y][x] + kernel[2][y][x]))];
}

/** The sum of all weights: 0 for a kernel that answers nothing on a flat area, 1 for one that keeps brightness. */
export function total(kernel: Kernel): number {
  return kernel.flat(2).reduce((sum, v) => sum + v, 0);
}

/** `map[y, x] = Σ kernel[c, i, j] · picture[c, y·stride + i − padding, x·stride + j − padding]`, zeros outside. */
export function convolve(picture: Planes, kernel: Kernel, stride = 1, padding = 0): FeatureMap {
  const seen = matched(picture, kernel.length);
  const [tall, wide] = [kernel[0].length, kernel[0][0].length];
  const height = Math.floor((seen.height + 2 * padding - tall) / stride) + 1;
  const width = Math.floor((seen.width + 2 * padding - wide) / stride) + 1;
  if (height < 1 || width < 1) {
    throw new Error(`The kernel is ${tall}×${wide} and does not fit into a picture of ${seen.height}×${seen.width}.`);
  }
  const values = new Float32Array(height * width);
  kernel.forEach((plane, c) => {
    const base = c * seen.height * seen.width;
    plane.forEach((row, i) => {
      row.forEach((each, j) => {
        if (each) addShifted(values, width, height, seen, base, each, i - padding, j - padding, stride);
      });
    });
  });
  return { height, width, values };
}

/** Add `weight` times the picture moved by (dy, dx): one kernel cell's share of the whole map. */
function addShifted(
  into: Float32Array,
  width: number,
  height: number,
  picture: Planes,
  base: number,
  weight: number,
  dy: number,
  dx: number,
  stride: number,
): void {
  for (let y = 0; y < height; y++) {
    const row = y * stride + dy;
    if (row < 0 || row >= picture.height) continue;
    for (let x = 0; x < width; x++) {
      const column = x * stride + dx;
      if (column >= 0 && column < picture.width)
        into[y * width + x] += weight * picture.values[base + row * picture.width + column];
    }
  }
}

/** The picture with as many channels as the kernel has grids: grey by 0.299 R + 0.587 G + 0.114 B. */
function matched(picture: Planes, count: number): Planes {
  if (picture.channels === count) return picture;
  const area = picture.height * picture.width;
  const values = new Float32Array(count * area);
  for (let i = 0; i < area; i++) {
    const v = picture.values;
    if (count === 1) values[i] = 0.299 * v[i] + 0.587 * v[area + i] + 0.114 * v[2 * area + i];
    else values[i] = values[area + i] = values[2 * area + i] = v[i];
  }
  return { ...picture, channels: count, values };
}

/** A canvas' RGBA bytes as planes in [0, 1]; `channels` 1 takes red, which a grey picture has in all three. */
export function fromRgba(bytes: Uint8ClampedArray, height: number, width: number, channels: number): Planes {
  const area = height * width;
  const values = new Float32Array(channels * area);
  for (let i = 0; i < area; i++) for (let c = 0; c < channels; c++) values[c * area + i] = bytes[4 * i + c] / 255;
  return { channels, height, width, values };
}

/** Where the map answers most, as (row, column), with its value and that of its opposite. */
export function strongest(map: FeatureMap): { value: number; row: number; column: number; lowest: number } {
  let at = 0;
  let lowest = Infinity;
  map.values.forEach((v, i) => {
    if (v > map.values[at]) at = i;
    if (v < lowest) lowest = v;
  });
  return { value: map.values[at], row: Math.floor(at / map.width), column: at % map.width, lowest };
}

/** Where the colours end: few pixels of a photo are strong edges, so at the 99.5% quantile of |value|. */
export function limit(map: FeatureMap): number {
  const sizes = map.values.map(Math.abs).sort();
  return sizes[Math.round(0.995 * (sizes.length - 1))] || sizes[sizes.length - 1] || 1;
}

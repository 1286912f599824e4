// How was one number of a layer computed, and what are its filters? From the weights in the page's own ONNX file.
import type { Cell, CellPart, Sprites } from '../types';
import type { Value } from './network';
import { mapsOf, sheet, type Maps } from './sheet';
import { halves } from './unpack';

/** As `convsight.studio.steps` tells it; pairs are of rows and of columns. */
export interface Step {
  kind: Cell['kind'];
  source: string | null; // the layer whose value goes in; null: the prepared picture
  weight: { at: number; half: boolean; shape: number[] } | null;
  bias: number[] | null;
  size: [number, number];
  stride: [number, number];
  padding: [number, number];
  dilation: [number, number];
  groups: number;
  whole: boolean;
}

const MOST_PARTS = 8; // input channels that are told one by one
const LARGEST_WINDOW = 225; // numbers of a window that are told

export function weightsOf(model: Uint8Array, { at, half, shape }: NonNullable<Step['weight']>): Float32Array {
  const n = shape.reduce((a, b) => a * b, 1);
  const bytes = model.slice(at, at + n * (half ? 2 : 4));
  return half ? halves(bytes) : new Float32Array(bytes.buffer);
}

/** The number of channel `channel` at (y, x), which is `value`, taken apart by input channel, strongest first. */
export function cellOf(step: Step, model: Uint8Array, given: Value, value: number, channel: number, y: number, x: number): Cell {
  const maps = mapsOf(given, Infinity);
  const [ys, xs] = [0, 1].map((axis) => linesOf(step, [y, x][axis], [maps.h, maps.w][axis], axis as 0 | 1));
  const area = ys.length * xs.length;
  const small = area <= LARGEST_WINDOW;
  const kernels = step.weight && weightsOf(model, step.weight);
  const own = channelsOf(step, channel, maps.c);
  const told = own.map((number, i) => {
    const seen = ys.map((row) => xs.map((column) => at(maps, number, row, column) ?? (kernels ? 0 : null)));
    const kernel = kernels && ys.map((_, r) => xs.map((_, c) => kernels[(channel * own.length + i) * area + r * xs.length + c]));
    const sum = kernel ? summed(seen.flatMap((line, r) => line.map((v, c) => v! * kernel[r][c]))) : pooled(step, seen);
    return { channel: number, window: small ? seen : [], kernel: small ? kernel : null, sum } satisfies CellPart;
  });
  told.sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
  const others = told.slice(MOST_PARTS);
  return {
    kind: step.kind, source: step.source, value, parts: told.slice(0, MOST_PARTS), others: others.length, rest: summed(others.map((each) => each.sum)),
    bias: step.bias ? step.bias[channel] : null, height: ys.length, width: xs.length,
  }; // prettier-ignore
}

/** Rows (or columns) of the input that a cell reads; those outside are padding. */
function linesOf(step: Step, place: number, length: number, axis: 0 | 1): number[] {
  if (step.whole) return Array.from({ length }, (_, i) => i);
  return Array.from({ length: step.size[axis] }, (_, i) => place * step.stride[axis] - step.padding[axis] + i * step.dilation[axis]);
}

/** The input's channels that an output channel reads: all of them, those of its group, or its own. */
function channelsOf({ weight, groups }: Step, channel: number, inputs: number): number[] {
  if (!weight) return [channel];
  const each = inputs / groups;
  const start = Math.floor(channel / Math.ceil(weight.shape[0] / groups)) * each;
  return Array.from({ length: each }, (_, i) => start + i);
}

function at({ h, w, data }: Maps, channel: number, y: number, x: number): number | null {
  return y >= 0 && x >= 0 && y < h && x < w ? data[(channel * h + y) * w + x] : null;
}

function pooled({ kind }: Step, seen: (number | null)[][]): number {
  const there = seen.flat().filter((v) => v !== null);
  return kind === 'largest' ? Math.max(...there) : summed(there) / there.length;
}

function summed(values: number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

/** Every filter of a convolution; over more than three inputs (or in deeper layers) their mean is drawn. */
export function filtersOf(step: Step, model: Uint8Array): Sprites {
  const [c, inputs, h, w] = step.weight!.shape;
  const all = weightsOf(model, step.weight!);
  const area = h * w;
  const means = Float32Array.from({ length: c * area }, (_, i) => {
    const [channel, cell] = [Math.floor(i / area), i % area];
    let sum = 0;
    for (let each = 0; each < inputs; each++) sum += all[(channel * inputs + each) * area + cell];
    return sum / inputs;
  });
  const size = Array.from({ length: c }, (_, channel) => Math.hypot(...all.subarray(channel * inputs * area, (channel + 1) * inputs * area)));
  const channels = size.map((norm, channel) => {
    const mine = means.subarray(channel * area, (channel + 1) * area);
    return { channel, max: Math.max(...mine), mean: mine.reduce((a, b) => a + b, 0) / area, dead: norm === 0 };
  });
  const colour = step.source === null && inputs === 3 ? all : null;
  return {
    shape: [c, h, w], sheet: sheet({ c, h, w, data: means }, true, colour).canvas.toDataURL('image/png'), cell: [h, w], columns: Math.max(1, Math.ceil(Math.sqrt(c))), signed: true,
    channels, order: channels.map((each) => each.channel).sort((a, b) => size[b] - size[a]),
  }; // prettier-ignore
}

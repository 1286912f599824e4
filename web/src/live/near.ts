// Which pictures of the data set are nearest to this one, by what the network sees?
import type { Neighbours } from '../types';
import type { Near } from './about';
import type { Value } from './network';
import { decoded, halves } from './unpack';

const METRICS: Record<string, (a: Float32Array, b: Float32Array) => number> = {
  l2: (a, b) => Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0)),
  l1: (a, b) => a.reduce((sum, v, i) => sum + Math.abs(v - b[i]), 0),
  cosine: (a, b) => 1 - dot(a, b) / (Math.sqrt(dot(a, a) * dot(b, b)) || 1),
};
const unpacked = new WeakMap<Near, Float32Array>();

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, v, i) => sum + v * b[i], 0);
}

/** A layer's value as one vector: maps are averaged over place. */
export function vectorOf({ dims, data }: Value): Float32Array {
  if (dims.length !== 4) return data;
  const area = dims[2] * dims[3];
  return Float32Array.from({ length: dims[1] }, (_, c) => data.subarray(c * area, (c + 1) * area).reduce((a, b) => a + b, 0) / area);
}

export function nearest(near: Near, value: Value, itself: string, k: number, metric: string, label: string | null): Neighbours {
  const mine = vectorOf(value);
  const far = METRICS[metric] ?? METRICS.l2;
  const found = near.ids
    .map((picture, i) => ({ picture, label: near.labels[i], distance: far(mine, row(near, i)) }))
    .filter((each) => each.picture !== itself)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, k);
  const agree = label === null ? null : found.filter((each) => each.label === label).length / Math.max(1, found.length);
  return { features: found, pixels: [], agreement: { features: agree, pixels: null }, job: null };
}

function row(near: Near, i: number): Float32Array {
  let all = unpacked.get(near);
  if (!all) unpacked.set(near, (all = halves(decoded(near.vectors))));
  return all.subarray(i * near.dims, (i + 1) * near.dims);
}

/** Where pictures lie in the plane in which the data set's vectors differ most. */
export interface Among {
  points: { id: string; label: string | null; x: number; y: number }[];
  mine: { x: number; y: number };
  of: string;
}

export function among(near: Near, value: Value): Among {
  const at = (vector: Float32Array) => {
    const [x, y] = near.axes.map((axis) => axis.reduce((sum, a, i) => sum + a * (vector[i] - near.centre[i]), 0));
    return { x, y };
  };
  const points = near.ids.map((id, i) => ({ id, label: near.labels[i], ...at(row(near, i)) }));
  return { points, mine: at(vectorOf(value)), of: near.of };
}

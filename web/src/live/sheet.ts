// How do all maps of a layer become one picture, and what does each channel answer?
import { colours, shade } from '../parts/colormaps';
import type { Sprites } from '../types';
import { canvas } from './album';
import type { Value } from './network';

const MOST_UNITS = 4096;

/** Maps c·h·w of the first picture of a value; numbers without a place are maps of one cell. */
export interface Maps {
  c: number;
  h: number;
  w: number;
  data: Float32Array;
}

export function mapsOf({ dims, data }: Value): Maps {
  if (dims.length === 4) return { c: dims[1], h: dims[2], w: dims[3], data: data.subarray(0, dims[1] * dims[2] * dims[3]) };
  const c = Math.min(MOST_UNITS, data.length / dims[0]);
  return { c, h: 1, w: 1, data: data.subarray(0, c) };
}

/** As the server answers /maps: every channel on its own colour scale, strongest mean first. */
export function sprites(maps: Maps): Sprites {
  const { c, h, w, data } = maps;
  const area = h * w;
  const told = Array.from({ length: c }, (_, channel) => {
    const values = data.subarray(channel * area, (channel + 1) * area);
    let [max, sum] = [-Infinity, 0];
    for (const v of values) (max = Math.max(max, v)), (sum += v);
    return { channel, max, mean: sum / area, dead: max <= 0 };
  });
  const signed = data.some((v) => v < 0);
  const columns = Math.max(1, Math.ceil(Math.sqrt(c)));
  const order = told.map((each) => each.channel).sort((a, b) => told[b].mean - told[a].mean);
  return { shape: [c, h, w], sheet: sheetOf(maps, columns, signed), cell: [h, w], columns, signed, channels: told, order };
}

function sheetOf(maps: Maps, columns: number, signed: boolean): string {
  const { c, h, w } = maps;
  const pen = canvas(Math.ceil(c / columns) * h, columns * w);
  for (let channel = 0; channel < c; channel++)
    pen.putImageData(tile(maps, channel, signed, limitOf(maps, channel)), (channel % columns) * w, Math.floor(channel / columns) * h);
  return pen.canvas.toDataURL('image/png');
}

export function limitOf({ h, w, data }: Maps, channel: number): number {
  let top = 0;
  for (let i = channel * h * w; i < (channel + 1) * h * w; i++) top = Math.max(top, Math.abs(data[i]));
  return top || 1;
}

/** One channel in the colours of every map, from 0 (or −limit) to limit. */
export function tile({ h, w, data }: Maps, channel: number, signed: boolean, limit: number, into = new ImageData(w, h)): ImageData {
  const lut = colours(signed);
  const start = channel * h * w;
  for (let i = 0; i < h * w; i++) {
    const at = 3 * shade(data[start + i], limit, signed);
    into.data[4 * i] = lut[at];
    into.data[4 * i + 1] = lut[at + 1];
    into.data[4 * i + 2] = lut[at + 2];
    into.data[4 * i + 3] = 255;
  }
  return into;
}

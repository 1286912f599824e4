// How do all maps of a layer become one picture, and what does each channel answer?
import { colours } from '../parts/colormaps';
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

export function mapsOf({ dims, data }: Value, most = MOST_UNITS): Maps {
  if (dims.length === 4) return { c: dims[1], h: dims[2], w: dims[3], data: data.subarray(0, dims[1] * dims[2] * dims[3]) };
  const c = Math.min(most, data.length / dims[0]);
  return { c, h: 1, w: 1, data: data.subarray(0, c) };
}

/** As the server answers /maps: every channel on its own colour scale, strongest mean first. */
export async function sprites(maps: Maps): Promise<Sprites> {
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
  return { shape: [c, h, w], sheet: await addressOf(sheet(maps, signed)), cell: [h, w], columns, signed, channels: told, order };
}

const KEPT = 6; // sheets that are shown at once, and some more
const sheets: string[] = [];

/** The address of a picture of any size: Chromium draws no background whose `data:` address has more than 2 MB. */
async function addressOf(pen: CanvasRenderingContext2D): Promise<string> {
  const made = await new Promise<Blob>((resume, refuse) => pen.canvas.toBlob((blob) => (blob ? resume(blob) : refuse(new Error('This browser cannot draw the maps')))));
  sheets.push(URL.createObjectURL(made));
  if (sheets.length > KEPT) URL.revokeObjectURL(sheets.shift()!);
  return sheets.at(-1)!;
}

/** All channels in one picture, each on its own scale; `colour` has red, green and blue of each instead (c·3·h·w, signed). */
export function sheet(maps: Maps, signed: boolean, colour: Float32Array | null = null): CanvasRenderingContext2D {
  const { c, h, w } = maps;
  const columns = Math.max(1, Math.ceil(Math.sqrt(c)));
  const pen = canvas(Math.ceil(c / columns) * h, columns * w);
  for (let channel = 0; channel < c; channel++) {
    const tile = colour ? coloured(colour.subarray(channel * 3 * h * w), h, w) : strip(maps, [channel], [limitOf(maps, channel)], signed);
    pen.putImageData(tile, (channel % columns) * w, Math.floor(channel / columns) * h);
  }
  return pen;
}

/** Red, green and blue of a filter: grey is 0, and the largest weight is as bright as can be. */
function coloured(values: Float32Array, h: number, w: number): ImageData {
  const area = h * w;
  const image = new ImageData(w, h);
  const limit = limitOf({ c: 1, h: 3 * h, w, data: values }, 0);
  for (let i = 0; i < area; i++)
    for (let c = 0; c < 4; c++) image.data[4 * i + c] = c < 3 ? 255 * (0.5 + values[c * area + i] / (2 * limit)) : 255;
  return image;
}

export function limitOf({ h, w, data }: Maps, channel: number): number {
  let top = 0;
  for (let i = channel * h * w; i < (channel + 1) * h * w; i++) top = Math.max(top, Math.abs(data[i]));
  return top || 1;
}

const SHARP = 56; // cells along a map from which on every second one (or third, …) is drawn: a strip's maps are smaller

/** Channels side by side in the colours of every map, each from 0 (or −limit) to its limit; into `old` if it has the size. */
export function strip(maps: Maps, channels: readonly number[], limits: readonly number[], signed: boolean, coarse = false, old?: ImageData): ImageData {
  const { h, w, data } = maps;
  const step = coarse ? Math.max(1, Math.floor(Math.max(h, w) / SHARP)) : 1;
  const [rows, columns] = [Math.ceil(h / step), Math.ceil(w / step)];
  const lut = packed(signed);
  const wide = columns * channels.length;
  const image = old?.width === wide && old.height === rows ? old : new ImageData(wide, rows);
  const made = new Uint32Array(image.data.buffer);
  const zero = signed ? 128 : 0.5; // half a step is added, so that cutting off rounds
  channels.forEach((channel, i) => {
    const scale = (signed ? 127.5 : 255) / limits[i];
    for (let y = 0; y < rows; y++)
      for (let x = 0, from = (channel * h + y * step) * w, to = y * wide + i * columns; x < columns; x++, from += step)
        made[to + x] = lut[Math.min(255, Math.max(0, zero + scale * data[from])) | 0];
  });
  return image;
}

const tables: (Uint32Array | undefined)[] = [];

/** The 256 colours as four bytes each: red, green, blue, opaque. */
function packed(signed: boolean): Uint32Array {
  return (tables[Number(signed)] ??= Uint32Array.from({ length: 256 }, (_, i) => {
    const [r, g, b] = colours(signed).subarray(3 * i);
    return new Uint32Array(Uint8Array.of(r, g, b, 255).buffer)[0];
  }));
}

// What are the pixels of a picture of which a part is hidden, painted over or replaced?
import type { EditRequest } from '../types';
import type { About } from './about';
import type { Album, Pixels } from './album';
import { canvas, loaded } from './album';
import { decoded, gunzipped } from './unpack';

/** Which pixels are changed, row by row. */
export type Where = Uint8Array;

/** A change of a picture, or the number of the verdict whose cue is stamped on it. */
export type Change = EditRequest & { stamp?: number };

export async function edited(album: Album, id: string, request: Change): Promise<Pixels> {
  const pixels = await album.pixels(id);
  const { about } = album;
  const stamp = about.stamps.find((each) => each.number === request.stamp);
  if (stamp) return stamped(pixels, await unpacked(stamp.keep), await unpacked(stamp.add));
  const where = request.mask ? await masked(request.mask, about) : boxed(request, about);
  const shown = request.paste
    ? shifted(await album.pixels(request.paste.picture), request.paste, request.box!, about)
    : filled(request.fill ?? 'mean', pixels, about, Math.max(1, Math.min(64, rowsOf(where, about)) / 2));
  return blended(pixels, shown, where);
}

function unpacked(text: string): Promise<Uint8Array> {
  return gunzipped(decoded(text));
}

/** Each pixel times its part that is kept, plus what is added; bytes of which 255 is 1. */
export function stamped(pixels: Pixels, keep: Uint8Array, add: Uint8Array): Pixels {
  return pixels.map((v, i) => Math.min(1, (v * keep[i] + add[i]) / 255));
}

export function blended(pixels: Pixels, shown: Pixels, where: Where): Pixels {
  const made = pixels.slice();
  for (let at = 0; at < pixels.length; at += where.length)
    for (let i = 0; i < where.length; i++) if (where[i]) made[at + i] = shown[at + i];
  return made;
}

export function boxed(request: EditRequest, { size: [h, w] }: Pick<About, 'size'>): Where {
  const where = new Uint8Array(h * w);
  const box = request.box;
  if (!box) return where;
  const [bottom, right] = [Math.min(h, box.y + box.h), Math.min(w, box.x + box.w)];
  for (let y = Math.max(0, box.y); y < bottom; y++) where.fill(1, y * w + Math.max(0, box.x), y * w + Math.max(0, right));
  return where;
}

async function masked(png: string, { size: [h, w] }: About): Promise<Where> {
  const pen = canvas(h, w);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(await loaded(png), 0, 0, w, h);
  const bytes = pen.getImageData(0, 0, w, h).data;
  return Uint8Array.from({ length: h * w }, (_, i) => Number(bytes[4 * i] * bytes[4 * i + 3] > 0.5 * 255 * 255));
}

function rowsOf(where: Where, { size: [h, w] }: About): number {
  let rows = 0;
  for (let y = 0; y < h; y++) rows += Number(where.subarray(y * w, (y + 1) * w).some(Boolean));
  return rows;
}

/** The other picture, moved so that its part at (y, x) comes to the box's upper left corner; its edges repeat. */
export function shifted(
  donor: Pixels,
  from: { y: number; x: number },
  to: { y: number; x: number },
  { size: [h, w], channels }: Pick<About, 'size' | 'channels'>,
): Pixels {
  const made = new Float32Array(donor.length);
  const clamp = (i: number, n: number) => Math.min(n - 1, Math.max(0, i));
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++)
        made[(c * h + y) * w + x] = donor[(c * h + clamp(y - to.y + from.y, h)) * w + clamp(x - to.x + from.x, w)];
  return made;
}

/** What an occluder of this fill shows, as a whole picture; the same as Python's fills, but for the noise's numbers. */
export function filled(fill: string, pixels: Pixels, about: Pick<About, 'size' | 'channels' | 'mean'>, reach: number): Pixels {
  const [h, w] = about.size;
  const area = h * w;
  const flat: Record<string, number> = { grey: 0.5, black: 0, white: 1 };
  if (fill in flat) return new Float32Array(pixels.length).fill(flat[fill]);
  if (fill === 'blur') return blurred(pixels, about, reach);
  if (fill === 'noise') return noise(pixels.length);
  const made = new Float32Array(pixels.length);
  for (let c = 0; c < about.channels; c++) made.fill(about.mean?.[c] ?? mean(pixels.subarray(c * area, (c + 1) * area)), c * area, (c + 1) * area);
  return made;
}

function mean(values: Float32Array): number {
  return values.reduce((sum, v) => sum + v, 0) / values.length;
}

/** The same numbers each time, so that a patch does not flicker while it is dragged (mulberry32). */
function noise(n: number): Pixels {
  let seed = 1;
  return Float32Array.from({ length: n }, () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }) as Pixels;
}

/** Each channel under a Gaussian of standard deviation `sigma` pixels, cut off at three of them; borders repeat. */
function blurred(pixels: Pixels, { size: [h, w], channels }: Pick<About, 'size' | 'channels'>, sigma: number): Pixels {
  const reach = Math.max(1, Math.round(3 * sigma));
  const bell = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-0.5 * ((i - reach) / sigma) ** 2));
  const total = bell.reduce((a, b) => a + b, 0);
  const along = (from: Pixels, n: number, step: number, lines: number[]): Pixels => {
    const made = new Float32Array(from.length);
    for (const start of lines)
      for (let i = 0; i < n; i++) {
        let sum = 0;
        for (let k = -reach; k <= reach; k++) sum += bell[k + reach] * from[start + Math.min(n - 1, Math.max(0, i + k)) * step];
        made[start + i * step] = sum / total;
      }
    return made;
  };
  const rows = Array.from({ length: channels * h }, (_, i) => i * w);
  const columns = Array.from({ length: channels * w }, (_, i) => Math.floor(i / w) * h * w + (i % w));
  return along(along(pixels, w, 1, rows), h, w, columns);
}

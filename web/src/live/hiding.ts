// How is an occlusion map computed in the page: which places, in which order, and what comes back?
import { paint } from '../parts/colormaps';
import type { Step } from '../types';
import type { About } from './about';
import { canvas, type Pixels } from './album';
import { blended, boxed, filled } from './edits';
import type { Computed } from './result';
import { defaults, grid, levels, spread } from './occlusion';

const QUICK_MS = 12; // a batch that takes less is doubled next time
const MOST = 32; // pictures in one batch

export interface Asked {
  pixels: Pixels;
  clean: Float32Array;
  target: number;
  knobs: Record<string, unknown>;
  about: About;
  runs: (pixels: Pixels, n: number) => Promise<Float32Array>;
  onStep: (step: Step) => void;
  stopped: () => boolean;
}

/** Null if it was stopped on the way. */
export async function mapOf(asked: Asked): Promise<Computed | null> {
  const { about, knobs, clean, target } = asked;
  const usual = defaults(about.size);
  const patch = Math.min(...about.size, Number(knobs.patch ?? usual.patch));
  const stride = Number(knobs.stride ?? (knobs.patch ? Math.max(1, Math.floor(patch / 2)) : usual.stride));
  const fill = String(knobs.fill ?? 'grey');
  const places = grid(about.size, patch, stride);
  const shown = filled(fill, asked.pixels, about, patch / 2);
  const drops: (number | null)[] = places.boxes.map(() => null);
  const started = performance.now();
  let done = 0;
  let size = 1; // grows where passes are quick; a large network gains nothing from batches
  for (const level of levels(places)) {
    for (let at = 0; at < level.length; ) {
      const part = level.slice(at, at + size);
      const many = new Float32Array(part.length * asked.pixels.length);
      part.forEach((place, i) => many.set(blended(asked.pixels, shown, boxed({ box: places.boxes[place] }, about)), i * asked.pixels.length));
      const before = performance.now();
      const scores = await asked.runs(many, part.length);
      if (asked.stopped()) return null;
      const k = scores.length / part.length;
      part.forEach((place, i) => (drops[place] = clean[target] - scores[i * k + target]));
      if (!about.one_by_one && performance.now() - before < QUICK_MS) size = Math.min(MOST, 2 * size);
      at += part.length;
      done += part.length;
      await rest(); // the page stays alive between two batches
    }
    if (done < drops.length) asked.onStep({ fraction: done / drops.length, done, total: drops.length, unit: 'places', picture: picture(spread(places, drops, about.size), about) });
  }
  const values = spread(places, drops, about.size);
  const seconds = (performance.now() - started) / 1000;
  const caption = `${places.boxes.length} places, a patch of ${patch} px every ${stride} px, filled with ${fill}; computed in this page in ${seconds.toFixed(2)} s.`;
  return { method: 'occlusion', title: 'Occlusion', caption, values, signed: true, unit: 'logits', limit: top(values) };
}

/** Let the browser do what waits. A timer would do, but the fifth in a row takes 4 ms at least. */
function rest(): Promise<void> {
  return new Promise((resume) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => (port1.close(), resume());
    port2.postMessage(null);
  });
}

function top(values: Float32Array): number {
  return values.reduce((most, v) => Math.max(most, Math.abs(v)), 0) || 1;
}

/** The map so far as a picture, to be shown while it forms. */
function picture(values: Float32Array, { size: [h, w] }: About): string {
  const pen = canvas(h, w);
  pen.putImageData(new ImageData(paint(values, top(values), true), w, h), 0, 0);
  return pen.canvas.toDataURL('image/png');
}

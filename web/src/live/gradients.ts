// Which pixels would change a score if they changed a little? The gradient's graph is a part of the network's own file.
import type { About } from './about';
import type { Pixels } from './album';
import { PICTURES, type Part, type Runs } from './network';
import { TOWARD } from './onnx';
import type { Computed } from './result';

export const GRADIENT = 'pixels:gradient';
export const GUIDED = 'pixels:guided';

const SHARE = 0.99; // of a map's pixels stay below the end of its colours, as in Python's maps of what arrives at pixels

type Kind = Omit<Computed, 'values' | 'limit'> & { from: string; of: (back: Float32Array, pixels: Pixels, area: number) => Float32Array };

export const KINDS: readonly Kind[] = [
  {
    method: 'saliency', from: GRADIENT, of: largest, signed: false, title: 'Saliency', unit: '|∂ score ÷ ∂ pixel|',
    caption: 'Bright: a small change of this pixel changes the score most.',
  },
  {
    method: 'gradient_x_input', from: GRADIENT, of: product, signed: true, title: 'Gradient × input', unit: 'score',
    caption: 'Red: this pixel, compared with black, raises the score; blue: it lowers it.',
  },
  {
    method: 'guided_backprop', from: GUIDED, of: strongest, signed: true, title: 'Guided backpropagation', unit: 'guided gradient',
    caption: 'Lines trace what excites the class: red where brighter would, blue where darker would.',
  },
]; // prettier-ignore

/** The largest magnitude among a pixel's channels. */
export function largest(back: Float32Array, _: Pixels, area: number): Float32Array {
  return strongest(back, _, area).map(Math.abs);
}

/** The entry of largest magnitude among a pixel's channels, with its sign. */
export function strongest(back: Float32Array, _: Pixels, area: number): Float32Array {
  const made = back.slice(0, area);
  for (let i = area; i < back.length; i++) if (Math.abs(back[i]) > Math.abs(made[i % area])) made[i % area] = back[i];
  return made;
}

/** Σ over channels of pixel · gradient. */
export function product(back: Float32Array, pixels: Pixels, area: number): Float32Array {
  const made = new Float32Array(area);
  for (let i = 0; i < back.length; i++) made[i % area] += back[i] * pixels[i];
  return made;
}

/** The magnitude that a share of the values stays below; the largest one where that is 0, and 1 where all are. */
export function limitOf(values: Float32Array, share = SHARE): number {
  const sizes = values.map(Math.abs).sort();
  return sizes[Math.ceil(share * (sizes.length - 1))] || sizes[sizes.length - 1] || 1;
}

export class Gradients {
  #part: Promise<Part> | null = null;

  constructor(
    readonly about: About,
    readonly network: Runs,
  ) {}

  /** The maps that this network has, or the one called so, of one of its `scores`. They are loaded when they are asked for first. */
  async maps(pixels: Pixels, target: number, scores: number, wanted?: string): Promise<Computed[]> {
    const { gradients, size, channels } = this.about;
    this.#part ??= this.network.between([PICTURES, TOWARD], gradients);
    const toward = new Float32Array(scores);
    toward[target] = 1;
    const given = { [PICTURES]: { dims: [1, channels, ...size], data: pixels }, [TOWARD]: { dims: [1, scores], data: toward } };
    const back = await (await this.#part).pass(given, gradients);
    const kinds = KINDS.filter(({ from, method }) => gradients.includes(from) && (wanted ?? method) === method);
    return kinds.map(({ from, of, ...told }) => {
      const values = of(back[from].data, pixels, size[0] * size[1]);
      return { ...told, values, limit: limitOf(values) };
    });
  }
}

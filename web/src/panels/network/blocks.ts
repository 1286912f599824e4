// Where does each layer's block stand in the drawing, and how large is it? Slabs as in the VGG paper's figures.
import type { Layer } from '../../types';

export interface Block {
  layer: Layer;
  x: number;
  thick: number; // along x: channels, by their logarithm
  tall: number; // the height of the maps, by its square root
  deep: number; // the slanted side: the width of the maps
  family: Family;
}

export type Family = 'convolution' | 'pooling' | 'linear' | 'other';

export interface Drawing {
  blocks: Block[];
  width: number;
  height: number;
  floor: number;
}

const TALLEST = 120;
const SLANT = 0.42;
const LABELS = 46;

export function family(layer: Layer): Family {
  if (layer.convolution || /conv/.test(layer.kind)) return 'convolution';
  if (/pool|amax|mean/.test(layer.kind)) return 'pooling';
  return /linear|addmm|matmul/.test(layer.kind) ? 'linear' : 'other';
}

/** The layers that change what is seen: without activations, normalisation and plumbing. */
export function main(layers: Layer[]): Layer[] {
  const kept = layers.filter((layer) => family(layer) !== 'other');
  return kept.length ? kept : layers;
}

export function draw(layers: Layer[], all: boolean, room = 1000): Drawing {
  const shown = all ? layers : main(layers);
  const side = Math.max(1, ...shown.flatMap((layer) => layer.shape.slice(1)));
  const pitch = all ? 30 : Math.max(62, Math.min(78, (room - 48) / shown.length));
  let x = 14;
  const blocks = shown.map((layer) => {
    const block = sized(layer, side, x);
    const letters = Math.max(layer.shape.join('×').length, label(layer.name).length);
    const words = all ? 0 : 7.1 * letters + 10; // so that what is printed below does not touch
    x += Math.max(pitch, words, block.thick + block.deep + 10);
    return block;
  });
  const deepest = Math.max(0, ...blocks.map((block) => block.deep));
  const floor = TALLEST + 0.8 * deepest + 8;
  return { blocks, width: x + 14, height: floor + LABELS, floor };
}

/** A layer's name in at most 11 letters: its last parts. */
export function label(name: string): string {
  let short = name;
  while (short.length > 11 && short.includes('.')) short = short.slice(short.indexOf('.') + 1);
  return short.length > 11 ? `…${short.slice(-10)}` : short;
}

function sized(layer: Layer, side: number, x: number): Block {
  const [c, h, w] = layer.shape.length === 3 ? layer.shape : [layer.shape[0] ?? 1, 1, 1];
  const flat = layer.shape.length !== 3;
  const high = (pixels: number) => 10 + (TALLEST - 10) * Math.sqrt(pixels / side);
  const kind = family(layer);
  const thick = (kind === 'other' ? 0.4 : 1) * (5 + 3.2 * Math.log2(1 + c));
  if (flat) return { layer, x, thick: 10, tall: Math.min(TALLEST, 24 + 10 * Math.log2(1 + c)), deep: 8, family: kind };
  return { layer, x, thick, tall: high(h), deep: high(w) * SLANT, family: kind };
}

/** The three visible faces, as SVG paths: front, top, side. */
export function faces(block: Block, floor: number): [string, string, string] {
  const { x, thick: t, tall: h, deep: d } = block;
  const rise = d * 0.8;
  const top = floor - h;
  return [
    `M${x} ${floor}v${-h}h${t}v${h}z`,
    `M${x} ${top}l${d} ${-rise}h${t}l${-d} ${rise}z`,
    `M${x + t} ${floor}v${-h}l${d} ${-rise}v${h}z`,
  ];
}

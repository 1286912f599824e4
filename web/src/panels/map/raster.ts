// How are 70 000 points drawn within a frame? As discs written straight into the canvas' bytes.
//
// On a machine without a graphics card this is many times faster than WebGL, and it asks no right to compile
// code, which a strict content policy denies.
import type { Cloud, Colours } from './points';

/** Which part of the map is seen: its middle, and how many device pixels one unit of the map takes. */
export interface View {
  x: number;
  y: number;
  unit: number;
}

export interface Picture {
  width: number;
  height: number;
  /** One pixel each, 0xAABBGGRR as little-endian machines keep RGBA. */
  pixels: Uint32Array;
}

export interface Style {
  /** Radius of a disc in device pixels. */
  radius: number;
  paper: string;
  ink: string;
}

const DIM = 0.22; // opacity of what is not chosen while something is
const AROUND_ONE = 0.55;
const FULL = 0.88;

/** Few points are drawn large, so that each is seen; many small, so that they do not hide one another. */
export function radiusOf(n: number): number {
  return n <= 300 ? 5 : n <= 1500 ? 4 : n <= 6000 ? 3 : n <= 25_000 ? 2 : 1.4;
}

/** "#0072b2" as 0xffb27200; also "#fff", which is what a build makes of "#ffffff". */
export function packed(hex: string): number {
  const long = hex.length === 4 ? hex.replace(/[^#]/g, '$&$&') : hex;
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(long.slice(at, at + 2), 16));
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** The order to draw in: as they come; with two groups or a scale, the rare end (wrong, large loss) on top. */
export function drawingOrder(colours: Colours): Uint32Array {
  const order = Uint32Array.from(colours.of, (_, i) => i);
  return colours.scale || colours.groups.length <= 2 ? order.sort((a, b) => colours.of[a] - colours.of[b]) : order;
}

export function paint(
  picture: Picture,
  cloud: Cloud,
  colours: Colours,
  order: Uint32Array,
  chosen: ReadonlySet<number>,
  view: View,
  style: Style,
): void {
  picture.pixels.fill(packed(style.paper));
  const palette = colours.palette.map(packed);
  const disc = mask(style.radius);
  const opacity = [FULL, AROUND_ONE][chosen.size] ?? DIM;
  for (const i of order) stamp(picture, ...pixelOf(cloud, i, view, picture), disc, palette[colours.of[i]], opacity);
  const ring = mask(style.radius + 1.5);
  for (const i of chosen) stamp(picture, ...pixelOf(cloud, i, view, picture), ring, packed(style.ink), 1);
  for (const i of chosen) stamp(picture, ...pixelOf(cloud, i, view, picture), disc, palette[colours.of[i]], 1);
}

/** Where point i is, in device pixels from the upper left. */
export function pixelOf(cloud: Cloud, i: number, view: View, size: { width: number; height: number }): [number, number] {
  return [
    size.width / 2 + (cloud.xy[2 * i] - view.x) * view.unit,
    size.height / 2 - (cloud.xy[2 * i + 1] - view.y) * view.unit,
  ];
}

/** The place on the map at a device pixel. */
export function placeOf(px: number, py: number, view: View, size: { width: number; height: number }): [number, number] {
  return [view.x + (px - size.width / 2) / view.unit, view.y - (py - size.height / 2) / view.unit];
}

/** The view after coming nearer by `factor`, with what is under the pixel staying there. */
export function nearer(view: View, factor: number, px: number, py: number, size: { width: number; height: number }): View {
  const [x, y] = placeOf(px, py, view, size);
  const unit = view.unit * factor;
  return { x: x - (px - size.width / 2) / unit, y: y + (py - size.height / 2) / unit, unit };
}

/** The view that shows all. */
export function home(size: { width: number; height: number }): View {
  return { x: 0, y: 0, unit: Math.max(1, Math.min(size.width, size.height) / 2 - 8) };
}

interface Mask {
  reach: number;
  /** Coverage 0 … 1 of each pixel of a square of 2·reach + 1. */
  cover: Float32Array;
}

const masks = new Map<number, Mask>();

function mask(radius: number): Mask {
  const known = masks.get(radius);
  if (known) return known;
  const reach = Math.ceil(radius);
  const side = 2 * reach + 1;
  const cover = Float32Array.from({ length: side * side }, (_, i) => {
    const away = Math.hypot((i % side) - reach, Math.floor(i / side) - reach);
    return Math.min(1, Math.max(0, radius + 0.5 - away));
  });
  masks.set(radius, { reach, cover });
  return masks.get(radius)!;
}

/** Mix one disc into the picture. */
function stamp(picture: Picture, cx: number, cy: number, disc: Mask, colour: number, opacity: number): void {
  const { width, height, pixels } = picture;
  const { reach, cover } = disc;
  const [x0, y0, side] = [Math.round(cx) - reach, Math.round(cy) - reach, 2 * reach + 1];
  if (x0 + side <= 0 || y0 + side <= 0 || x0 >= width || y0 >= height) return;
  const [r, g, b] = [colour & 255, (colour >> 8) & 255, (colour >> 16) & 255];
  for (let j = Math.max(0, -y0); j < side && y0 + j < height; j++) {
    for (let i = Math.max(0, -x0); i < side && x0 + i < width; i++) {
      const a = cover[j * side + i] * opacity;
      if (!a) continue;
      const at = (y0 + j) * width + x0 + i;
      const old = pixels[at];
      const red = (old & 255) + (r - (old & 255)) * a;
      const green = ((old >> 8) & 255) + (g - ((old >> 8) & 255)) * a;
      const blue = ((old >> 16) & 255) + (b - ((old >> 16) & 255)) * a;
      pixels[at] = 0xff000000 | (blue << 16) | (green << 8) | red;
    }
  }
}

import { describe, expect, test } from 'vitest';
import { cloud, colours, type Colours } from './points';
import { drawingOrder, home, nearer, packed, paint, pixelOf, placeOf, radiusOf, type Picture } from './raster';

const size = { width: 41, height: 31 };
const style = { radius: 2, paper: '#ffffff', ink: '#000000' };
const two: Colours = { of: Uint16Array.of(0, 1), palette: ['#ff0000', '#0000ff'], groups: [], scale: null };
const blank = (): Picture => ({ ...size, pixels: new Uint32Array(size.width * size.height) });
const at = (picture: Picture, x: number, y: number) =>
  [0, 8, 16].map((shift) => (picture.pixels[y * picture.width + x] >> shift) & 255);

test('a colour is packed as the canvas keeps it', () => {
  expect(packed('#0072b2').toString(16)).toBe('ffb27200');
  expect(packed('#fa0').toString(16)).toBe(packed('#ffaa00').toString(16));
  expect([...new Uint8Array(Uint32Array.of(packed('#0072b2')).buffer)]).toEqual([0, 0x72, 0xb2, 255]);
});

describe('a view', () => {
  test('of all has every point within the picture', () => {
    const points = cloud(Float32Array.of(-50, 3, 50, 8), 2, 2);
    const view = home(size);
    for (const i of [0, 1]) {
      const [x, y] = pixelOf(points, i, view, size);
      expect(x > 0 && x < size.width && y > 0 && y < size.height).toBe(true);
    }
  });
  test('leads from the map to the picture and back, upwards being up', () => {
    const points = { n: 1, xy: Float32Array.of(0.5, 0.25) };
    const view = { x: 0.1, y: -0.2, unit: 40 };
    const [px, py] = pixelOf(points, 0, view, size);
    expect([px, py].map((v) => +v.toFixed(4))).toEqual([36.5, -2.5]);
    expect(placeOf(px, py, view, size).map((v) => +v.toFixed(4))).toEqual([0.5, 0.25]);
  });
  test('comes nearer around the pixel under the pointer', () => {
    const before = placeOf(30, 5, home(size), size);
    const view = nearer(home(size), 3, 30, 5, size);
    expect(view.unit).toBe(3 * home(size).unit);
    placeOf(30, 5, view, size).forEach((v, a) => expect(v).toBeCloseTo(before[a], 6));
  });
});

describe('a painted map', () => {
  const points = { n: 2, xy: Float32Array.of(0, 0, 0.5, 0) };
  const view = { x: 0, y: 0, unit: 20 };
  test('has a disc of its colour at each point and paper elsewhere', () => {
    const picture = blank();
    paint(picture, points, two, drawingOrder(two), new Set(), view, style);
    expect(at(picture, 0, 0)).toEqual([255, 255, 255]);
    expect(at(picture, 21, 16)[0]).toBe(255);
    expect(at(picture, 21, 16)[1]).toBeLessThan(40);
    expect(at(picture, 31, 16)[2]).toBe(255);
    expect(at(picture, 31, 16)[0]).toBeLessThan(40);
    const inked = picture.pixels.filter((p) => p !== packed('#ffffff')).length;
    expect(inked).toBeGreaterThan(2 * 9);
    expect(inked).toBeLessThanOrEqual(2 * 25);
  });
  test('dims what is not chosen, and rings what is', () => {
    const picture = blank();
    paint(picture, points, two, drawingOrder(two), new Set([1]), view, style);
    expect(at(picture, 21, 16)[1]).toBeGreaterThan(100);
    expect(at(picture, 31, 16)).toEqual([0, 0, 255]);
    expect(at(picture, 31, 13)).toEqual([0, 0, 0]);
  });
  test('is cut at its edges instead of wrapping round', () => {
    const picture = blank();
    paint(picture, { n: 1, xy: Float32Array.of(1.0, 0) }, two, Uint32Array.of(0), new Set(), { x: 0, y: 0, unit: 20 }, style);
    expect(at(picture, 40, 16)[1]).toBeLessThan(60);
    expect(at(picture, 0, 16)).toEqual([255, 255, 255]);
    expect(at(picture, 0, 17)).toEqual([255, 255, 255]);
  });
});

test('wrong answers and large losses are drawn last; classes as they come', () => {
  const about = { ids: ['a', 'b', 'c', 'd'], labels: [0, 1, 2, 0], predicted: [1, 1, 2, 0], loss: [3, 1, 2, 0.1], classes: ['x', 'y', 'z'] };
  expect([...drawingOrder(colours(about, 'error'))].at(-1)).toBe(0);
  expect([...drawingOrder(colours(about, 'loss'))]).toEqual([3, 1, 2, 0]);
  expect([...drawingOrder(colours(about, 'class'))]).toEqual([0, 1, 2, 3]);
});

test('more points are smaller', () => {
  const radii = [10, 1000, 5000, 20_000, 70_000].map(radiusOf);
  expect(radii).toEqual([...radii].sort((a, b) => b - a));
  expect(new Set(radii).size).toBe(5);
});

test('70 000 points are painted within a frame or two', () => {
  const n = 70_000;
  const points = { n, xy: Float32Array.from({ length: 2 * n }, (_, i) => Math.sin(i * 12.9898) * 0.95) };
  const many: Colours = { ...two, of: Uint16Array.from({ length: n }, (_, i) => i % 2) };
  const picture = { width: 1200, height: 800, pixels: new Uint32Array(1200 * 800) };
  const order = drawingOrder(many);
  const times = [1, 2, 3, 4, 5].map(() => {
    const started = performance.now();
    paint(picture, points, many, order, new Set(), home(picture), { ...style, radius: radiusOf(n) });
    return performance.now() - started;
  });
  expect(Math.min(...times)).toBeLessThan(150); // 10–25 ms on two quiet cores
});

import { expect, test } from 'vitest';

import { certain, colours, gradient, limitOf, paint, shade } from './colormaps';

// Expected colours are those of convsight.results.draw.colours, printed by it.

test('an unsigned scale is magma, from 0 to the limit', () => {
  const pixels = paint(Float32Array.of(0, 0.25, 1, 2), 1, false);
  expect([...pixels.filter((_, i) => i % 4 < 3)]).toEqual([0, 0, 4, 81, 18, 124, 252, 253, 191, 252, 253, 191]);
});

test('a signed scale is blue below zero, white at zero, red above', () => {
  const pixels = paint(Float32Array.of(-1, 0, 0.5), 1, true);
  expect([...pixels.filter((_, i) => i % 4 < 3)]).toEqual([5, 48, 97, 247, 246, 246, 229, 131, 104]);
});

test('both scales have 256 colours', () => {
  expect(colours(false)).toHaveLength(768);
  expect(colours(true)).toHaveLength(768);
});

test('magma grows lighter all the way, so that more is always brighter', () => {
  const lut = colours(false);
  const light = Array.from({ length: 256 }, (_, i) => 0.2126 * lut[3 * i] + 0.7152 * lut[3 * i + 1] + 0.0722 * lut[3 * i + 2]);
  for (let i = 8; i < 256; i++) expect(light[i]).toBeGreaterThanOrEqual(light[i - 8]);
});

test('over a picture a map is see-through where it is zero and full at its limit', () => {
  const pixels = paint(Float32Array.of(0, -0.25, 1), 1, true, true);
  expect([pixels[3], pixels[7], pixels[11]]).toEqual([0, 128, 255]);
});

test('a map of zeros has a scale all the same', () => {
  expect(limitOf([0, 0])).toBe(1);
  expect(limitOf([0.5, -3])).toBe(3);
  expect(shade(Number.NaN, 1, false)).toBe(0);
});

test('the legend runs between the same ends', () => {
  expect(gradient(true)).toMatch(/^linear-gradient\(to right, rgb\(5 48 97\).*rgb\(103 0 31\)\)$/);
});

test('what is certain of a value is the end of its interval that is nearer to zero', () => {
  const values = Float32Array.of(2, -2, 0.5);
  expect([...certain(values, Float32Array.of(0.5, 0.5, 1))]).toEqual([1.5, -1.5, 0]);
  expect(certain(values, null)).toBe(values);
});

import { describe, expect, test } from 'vitest';

import type { About } from './about';
import { GRADIENT, Gradients, GUIDED, largest, limitOf, product, strongest } from './gradients';
import type { Part, Values } from './network';
import { TOWARD } from './onnx';

const numbers = (...values: number[]) => Float32Array.from(values);

describe('what arrives at the pixels of two channels', () => {
  const back = numbers(1, -5, 0, -2, 4, 0);

  test('is the largest magnitude, with its sign or without', () => {
    expect([...strongest(back, numbers(), 3)]).toEqual([-2, -5, 0]);
    expect([...largest(back, numbers(), 3)]).toEqual([2, 5, 0]);
  });

  test('times the pixel is summed over the channels', () => {
    expect([...product(back, numbers(1, 1, 1, 0.5, 0.25, 9), 3)]).toEqual([0, -4, 0]);
  });

  test('has colours that end where one value in a hundred is larger', () => {
    const values = Float32Array.from({ length: 201 }, (_, i) => (i % 2 ? i : -i));
    expect(limitOf(values)).toBe(198);
    expect(limitOf(numbers(0, 0, 0, 7))).toBe(7);
    expect(limitOf(numbers(0, 0))).toBe(1);
  });
});

test('the network is asked for the gradient of one score, and gives the maps that it has', async () => {
  const asked: Values[] = [];
  const part: Part = { pass: async (given) => (asked.push(given), { [GRADIENT]: { dims: [1, 1, 1, 2], data: numbers(3, -1) } }), close: () => {} };
  let loaded = 0;
  const network = { run: () => Promise.reject(new Error('not asked')), between: async () => (loaded++, part) };
  const about = { size: [1, 2], channels: 1, gradients: [GRADIENT] } as unknown as About;
  const gradients = new Gradients(about, network);
  expect(loaded).toBe(0);
  const maps = await gradients.maps(numbers(1, 2), 1, 3);
  expect([...asked[0][TOWARD].data]).toEqual([0, 1, 0]);
  expect(maps.map((map) => [map.method, [...map.values]])).toEqual([['saliency', [3, 1]], ['gradient_x_input', [3, -2]]]); // prettier-ignore
  expect((await gradients.maps(numbers(1, 2), 0, 3, 'saliency')).map((map) => map.method)).toEqual(['saliency']);
  expect(loaded).toBe(1);
  expect(about.gradients).not.toContain(GUIDED);
});

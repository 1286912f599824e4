import { expect, test } from 'vitest';

import { niceStep, scale } from './axes';

test('ticks stand at 1, 2 or 5 times a power of ten inside the range', () => {
  expect(scale([0, 0.97]).ticks).toEqual([0, 0.2, 0.4, 0.6, 0.8]);
  expect(scale([3, 48]).ticks).toEqual([10, 20, 30, 40]);
  expect([0.13, 0.3, 0.6, 0.9].map(niceStep)).toEqual([0.1, 0.2, 0.5, 1]);
});

test('values lie between 0 and 1; a constant in the middle', () => {
  const { at } = scale([10, 20]);
  expect([10, 15, 20].map(at)).toEqual([0, 0.5, 1]);
  expect(scale([7]).at(7)).toBe(0.5);
  expect(scale([]).ticks.length).toBeGreaterThan(1);
});

test('a single epoch is one whole tick, not fractions of one', () => {
  expect(scale([1, 1], 5, true).ticks).toEqual([1]);
  expect(scale([1, 3], 5, true).ticks).toEqual([1, 2, 3]);
});

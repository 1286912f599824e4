import { expect, test } from 'vitest';
import { cell, contrast, mixed } from './contrast';

test('black on white is 21 : 1, and a colour on itself 1 : 1', () => {
  expect(contrast([0, 0, 0], [255, 255, 255])).toBeCloseTo(21);
  expect(contrast([9, 80, 200], [9, 80, 200])).toBe(1);
});

test('a mixture has its share of each', () => {
  expect(mixed([200, 100, 0], [0, 0, 0], 0.5)).toEqual([100, 50, 0]);
  expect(mixed([200, 100, 0], [1, 2, 3], 0)).toEqual([1, 2, 3]);
});

test('words on any mixture keep 4.5 : 1', () => {
  for (const colour of [[33, 102, 172], [178, 24, 43], [0, 114, 178], [179, 71, 10]] as const) {
    for (const ground of [[255, 255, 255], [246, 246, 248], [32, 32, 38]] as const) {
      for (let share = 0; share <= 1; share += 0.02) {
        const made = mixed(colour, ground, share);
        const words = cell(made).endsWith('#000') ? ([0, 0, 0] as const) : ([255, 255, 255] as const);
        expect(contrast(made, words)).toBeGreaterThanOrEqual(4.5);
      }
    }
  }
});

import { expect, test } from 'vitest';
import { mixups, moved, occurring, shade, shares, worst } from './confusion';

const matrix = {
  classes: ['shirt', 'coat', 'bag'],
  counts: [
    [6, 3, 1],
    [2, 8, 0],
    [0, 0, 0],
  ],
};

test("a row's shares are of its own pictures, none where there are none", () => {
  expect(shares(matrix.counts)).toEqual([
    [0.6, 0.3, 0.1],
    [0.2, 0.8, 0],
    [0, 0, 0],
  ]);
});

test('mistakes come most frequent first, right answers never', () => {
  expect(mixups(matrix)).toEqual([
    { label: 0, predicted: 1, count: 3, share: 0.3 },
    { label: 1, predicted: 0, count: 2, share: 0.2 },
    { label: 0, predicted: 2, count: 1, share: 0.1 },
  ]);
  expect(mixups(matrix, 1)).toHaveLength(1);
});

test('of too many classes those with most mistakes are shown, in their order', () => {
  expect(worst(matrix, 2)).toEqual([0, 1]);
  expect(worst(matrix, 9)).toEqual([0, 1, 2]);
});

test('of a thousand classes only those that occur are shown', () => {
  const counts = Array.from({ length: 1000 }, () => Array<number>(1000).fill(0));
  counts[7][7] = counts[7][900] = 1;
  const large = { classes: counts.map(String), counts };
  expect(occurring(large, 40)).toEqual([7, 900]);
  expect(worst(large, 40)).toEqual([7, 900]);
});

test('one mistake in a hundred is a visible tenth', () => {
  expect(shade(0.01)).toBeCloseTo(0.1);
  expect([shade(0), shade(1), shade(7)]).toEqual([0, 1, 1]);
});

test('arrow keys walk the matrix and stop at its edges', () => {
  expect(moved([0, 0], 'ArrowUp', 3)).toEqual([0, 0]);
  expect(moved([0, 0], 'ArrowRight', 3)).toEqual([0, 1]);
  expect(moved([1, 2], 'ArrowDown', 3)).toEqual([2, 2]);
  expect(moved([1, 2], 'Home', 3)).toEqual([1, 0]);
  expect(moved([1, 0], 'End', 3)).toEqual([1, 2]);
  expect(moved([1, 1], 'Enter', 3)).toBeNull();
});

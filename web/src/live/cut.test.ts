import { describe, expect, test } from 'vitest';

import { changed, seeing, windowOf } from './cut';

const numbers = (...values: number[]) => Float32Array.from(values);

describe('what a change changes', () => {
  test('lies between the first and the last pixel that differ, in any channel', () => {
    const before = new Float32Array(2 * 4 * 5);
    const after = before.slice();
    expect(changed(before, after, [4, 5])).toBeNull();
    after[1 * 5 + 3] = 1;
    after[20 + 2 * 5 + 1] = 1;
    expect(changed(before, after, [4, 5])).toEqual([[1, 3], [1, 4]]); // prettier-ignore
  });

  test('are the cells that see it, without those that only pad', () => {
    const span = [[0, 1, 3, 5, 1 << 30], [2, 4, 6, 7, -1]] as const; // a padded zero sees nothing
    expect(seeing(span, [3, 5])).toEqual([1, 3]);
    expect(seeing(span, [7, 8])).toEqual([3, 4]);
  });

  test('needs what those cells see, in whole steps and inside the picture', () => {
    const span = [[0, 1, 3, 5], [2, 4, 6, 7]] as const;
    expect(windowOf(span, [1, 3], 4, 8)).toEqual([0, 8]);
    expect(windowOf(span, [2, 3], 2, 7)).toEqual([2, 7]);
    expect(windowOf(span, [2, 2], 4, 8)).toEqual([0, 4]);
  });
});

test('numbers are compared one by one', () => {
  expect(changed(numbers(0, 0), numbers(0, -0), [1, 2])).toBeNull();
});

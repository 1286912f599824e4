import { expect, test } from 'vitest';

import { peaks, strongest } from './tops';

test('a channel peaks where its map is largest, and its pictures come strongest first without silent ones', () => {
  const maps = (...data: number[]) => ({ c: 2, h: 2, w: 2, data: Float32Array.from(data) });
  const all = new Map([
    ['a', peaks(maps(0, 1, 0, 0, 9, 0, 0, 0))],
    ['b', peaks(maps(0, 0, 3, 0, 0, 0, 0, 8))],
    ['c', peaks(maps(-1, -1, -1, -2, 0, 0, 0, 0))],
  ]);
  expect(strongest(all, 0, 2, 5)).toEqual([
    { picture: 'b', value: 3, y: 1, x: 0 },
    { picture: 'a', value: 1, y: 0, x: 1 },
  ]);
  expect(strongest(all, 1, 2, 1)).toEqual([{ picture: 'a', value: 9, y: 0, x: 0 }]);
});

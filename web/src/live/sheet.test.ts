import { beforeAll, describe, expect, test, vi } from 'vitest';

import { paint } from '../parts/colormaps';
import { limitOf, strip } from './sheet';

beforeAll(() => {
  class Picture {
    readonly data: Uint8ClampedArray;
    constructor(
      readonly width: number,
      readonly height: number,
    ) {
      this.data = new Uint8ClampedArray(4 * width * height);
    }
  }
  vi.stubGlobal('ImageData', Picture);
});

const values = (n: number, from: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * 12.9898) * 3 + from);

describe('a strip of maps', () => {
  test.each([true, false])('has the colours of every other map, side by side (signed %s)', (signed) => {
    const maps = { c: 3, h: 4, w: 5, data: values(60, signed ? 0 : 1) };
    const made = strip(maps, [2, 0], [limitOf(maps, 2), limitOf(maps, 0)], signed);
    expect([made.width, made.height]).toEqual([10, 4]);
    [2, 0].forEach((channel, i) => {
      const wanted = paint(maps.data.subarray(channel * 20, channel * 20 + 20), limitOf(maps, channel), signed);
      for (let y = 0; y < 4; y++) expect([...made.data.slice(4 * (y * 10 + i * 5), 4 * (y * 10 + i * 5 + 5))]).toEqual([...wanted.slice(20 * y, 20 * y + 20)]);
    });
  });

  test('takes every second cell of large maps where coarse ones do', () => {
    const maps = { c: 1, h: 112, w: 112, data: values(112 * 112, 0) };
    const [fine, coarse] = [false, true].map((rough) => strip(maps, [0], [3], true, rough));
    expect([coarse.width, coarse.height]).toEqual([56, 56]);
    expect([...coarse.data.slice(4 * (3 * 56 + 7), 4 * (3 * 56 + 8))]).toEqual([...fine.data.slice(4 * (6 * 112 + 14), 4 * (6 * 112 + 15))]);
  });
});

import { describe, expect, test } from 'vitest';

import { fromSevens, halves } from './unpack';

describe('bytes in the page', () => {
  test('are read seven bits a character, moved characters too', () => {
    expect([...fromSevens('\x7f\x80\x80')]).toEqual([0xfe, 0]);
    expect([...fromSevens('')]).toEqual([]);
  });

  test('come back whatever they are', () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * i * 31 + i) & 255);
    const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
    const text = (bits.match(/.{1,7}/g) ?? []).map((seven) => String.fromCharCode(parseInt(seven.padEnd(7, '0'), 2))).join('');
    expect([...fromSevens(text)]).toEqual([...bytes]);
  });

  test('of float16 are the numbers that they stand for', () => {
    expect([...halves(Uint8Array.of(0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00))]).toEqual([1, -2, 2 ** -24]);
  });
});

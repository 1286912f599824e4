import { describe, expect, test } from 'vitest';
import {
  convolve,
  format,
  fromRgba,
  limit,
  mirrored,
  negated,
  parse,
  planes,
  resized,
  strongest,
  total,
  turned,
} from './kernel';

const ramp = { channels: 1, height: 8, width: 8, values: Float32Array.from({ length: 64 }, (_, i) => (i % 8) / 7) };
const SOBEL = '-1 0 1; -2 0 2; -1 0 1';

describe('a typed kernel', () => {
  test('is read with commas, a trailing semicolon and the real minus sign', () => {
    expect(parse(' −1, 0, 1; -2 0 2 ;')).toEqual([
      [
        [-1, 0, 1],
        [-2, 0, 2],
      ],
    ]);
  });
  test('has three grids for colours', () => {
    expect(parse('1 | 2 | 3')).toEqual([[[1]], [[2]], [[3]]]);
  });
  test.each([
    ['1 2; 3', /as many numbers.*2, 1/],
    ['1 x', /"x" is not a weight/],
    ['1 2e9', /between/],
    ['1 | 2', /not 2/],
    ['1 2 | 1 | 1', /one size/],
    ['', /Type numbers/],
    ['; 1', /Type numbers/],
  ])('%j is refused in words', (text, words) => {
    expect(() => parse(text)).toThrow(words);
  });
  test('is written as it is read', () => {
    const text = '-1 0.5 1; 0.0025 0 2 | 1 1 1; 1 1 1 | 0 0 0; 0 0 -3';
    expect(format(parse(text))).toBe(text);
    expect(format([[[0.1 + 0.2, -0]]])).toBe('0.3 0');
  });
});

describe('a kernel', () => {
  test('grows and shrinks around its centre', () => {
    expect(resized(parse('5'), 3, 3)).toEqual(parse('0 0 0; 0 5 0; 0 0 0'));
    expect(resized(resized(parse(SOBEL), 5, 7), 3, 3)).toEqual(parse(SOBEL));
  });
  test('is mirrored, turned a quarter clockwise, negated', () => {
    expect(mirrored(parse('1 2; 3 4'))).toEqual(parse('2 1; 4 3'));
    expect(turned(parse('1 2; 3 4'))).toEqual(parse('3 1; 4 2'));
    expect(negated(parse('0 2'))).toEqual(parse('0 -2'));
  });
  test('keeps what it finds in grey when it becomes a colour kernel and back', () => {
    expect(total(planes(parse('3 6'), 3))).toBeCloseTo(9);
    expect(planes(planes(parse('3 6'), 3), 1)).toEqual(parse('3 6'));
  });
});

describe('the feature map', () => {
  test("of a ramp under sobel-x is its slope times 8, as Python's docstring says", () => {
    const map = convolve(ramp, parse(SOBEL));
    expect([map.height, map.width]).toEqual([6, 6]);
    map.values.forEach((v) => expect(v).toBeCloseTo(8 / 7, 5));
  });
  test("is not flipped, unlike the textbook's convolution", () => {
    const spot = { channels: 1, height: 3, width: 3, values: Float32Array.from([0, 0, 0, 0, 0, 1, 0, 0, 0]) };
    expect([...convolve(spot, parse('1 2; 3 4')).values]).toEqual([0, 4, 0, 2]);
  });
  test('has stride and padding of ⌊(h + 2p − k) / s⌋ + 1, zeros outside', () => {
    const map = convolve(ramp, parse('1 1 1; 1 1 1; 1 1 1'), 3, 2);
    expect([map.height, map.width]).toEqual([4, 4]);
    expect(map.values[0]).toBeCloseTo(0);
    expect(map.values[15]).toBeCloseTo(1); // the corner window holds one pixel, of value 1
  });
  test('looks at colour pictures in grey with one grid, and at grey ones in every grid', () => {
    const rgb = { channels: 3, height: 1, width: 1, values: Float32Array.from([1, 0.5, 0.25]) };
    expect(convolve(rgb, parse('1')).values[0]).toBeCloseTo(0.299 + 0.2935 + 0.0285, 6);
    const grey = { channels: 1, height: 1, width: 1, values: Float32Array.from([0.5]) };
    expect(convolve(grey, parse('1 | 2 | 4')).values[0]).toBeCloseTo(3.5);
  });
  test('refuses a kernel that does not fit', () => {
    const small = { channels: 1, height: 2, width: 2, values: new Float32Array(4) };
    expect(() => convolve(small, parse(SOBEL))).toThrow('3×3 and does not fit into a picture of 2×2');
  });
  test('tells its strongest place, and a limit that few bright pixels do not raise', () => {
    const values = new Float32Array(400).fill(1);
    values[43] = 50;
    values[7] = -2;
    const map = { height: 20, width: 20, values };
    expect(strongest(map)).toEqual({ value: 50, row: 2, column: 3, lowest: -2 });
    expect(limit(map)).toBe(1);
    expect(limit({ height: 1, width: 2, values: new Float32Array(2) })).toBe(1);
  });
});

test('a canvas is read as planes in [0, 1]', () => {
  const bytes = Uint8ClampedArray.from([255, 51, 0, 255, 0, 0, 255, 255]);
  expect([...fromRgba(bytes, 1, 2, 3).values].map((v) => +v.toFixed(3))).toEqual([1, 0, 0.2, 0, 0, 1]);
  expect([...fromRgba(bytes, 1, 2, 1).values]).toEqual([1, 0]);
});

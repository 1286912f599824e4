import { expect, test } from 'vitest';
import { filled, masked, outline, pieceAt, piecesOf, runsOf, summary, withPieces, withStroke } from './objects';

const size = { h: 3, w: 4 };
const mask = Uint8Array.from([0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
const pieces = Uint8Array.from([0, 1, 1, 2, 0, 1, 1, 2, 3, 3, 3, 3]);

test('runs become the mask and the mask becomes the runs', () => {
  expect(runsOf(mask)).toEqual([1, 2, 2, 2, 5]);
  expect(masked([1, 2, 2, 2, 5], size)).toEqual(mask);
  expect(runsOf(masked([0, 12], size))).toEqual([0, 12]);
  expect(runsOf(masked([12], size))).toEqual([12]);
});

test('pieces come as one byte a pixel', () => {
  expect([...piecesOf(btoa('\u0000\u0003\u00ff'))]).toEqual([0, 3, 255]);
});

test('a click takes a whole piece in, and a drag every piece that it crosses', () => {
  const clicked = withPieces(mask, pieces, size, { y: 2.5, x: 0.5 }, { y: 2.5, x: 0.5 }, true);
  expect([...clicked]).toEqual([0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1, 1]);
  const dragged = withPieces(mask, pieces, size, { y: 0.5, x: 0.5 }, { y: 0.5, x: 3.5 }, false);
  expect([...dragged].some(Boolean)).toBe(false);
  expect([...mask].filter(Boolean)).toHaveLength(4); // the mask before stays, for undo
});

test('points beside the picture count as its rim', () => {
  expect([...pieceAt(pieces, { y: -5, x: 99 }, size)]).toEqual([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]);
});

test('a stroke takes in what lies within its radius of the line', () => {
  const none = new Uint8Array(12);
  expect([...withStroke(none, size, { y: 0.5, x: 0.5 }, { y: 0.5, x: 2.5 }, 0.4, true)]).toEqual([1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  expect([...withStroke(mask, size, { y: 1, x: 2 }, { y: 1, x: 2 }, 1, false)].some(Boolean)).toBe(false);
});

test('the outline runs between pixels that differ, and not along the rim', () => {
  expect(outline(mask, size)).toBe('M1 0v1M3 0v1M1 1v1M1 2h1M3 1v1M2 2h1');
  expect(outline(new Uint8Array(12).fill(1), size)).toBe('');
  expect(filled(mask, size, 1)).toBe('M1 0h2v1h-2zM1 1h2v1h-2z');
});

test('what was shown is counted class by class', () => {
  expect(summary([{ name: 'dog', told: 0 }])).toContain('nothing yet');
  expect(summary([{ name: 'dog', told: 1 }])).toContain('in 1 picture: dog 1.');
  expect(summary([{ name: 'dog', told: 8 }, { name: 'cat', told: 0 }, { name: 'duck', told: 4 }])).toContain('in 12 pictures: dog 8, duck 4.');
});

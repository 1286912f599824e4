import { expect, test } from 'vitest';

import type { Method } from '../../types';
import { boxOf, editRequest, fillOf, patchSide, textOf } from './edits';
import { explaining, grouped, indexOf, targetAt, targetOf } from './techniques';

const box = { y: 4, x: 6, h: 7, w: 7 };
const nothing = { box: null, mask: null, fill: 'mean' as const, donor: null, from: null };

test('a box travels in the address; a broken one is none', () => {
  expect(boxOf(textOf(box))).toEqual(box);
  for (const text of [null, '', '1,2,3', '1,2,3,x', '1,2,0,4', '1,2,3,4,5']) expect(boxOf(text)).toBeNull();
});

test('each tool asks for its own edit, and for none before it has what it needs', () => {
  expect(editRequest('occlude', nothing)).toBeNull();
  expect(editRequest('occlude', { ...nothing, box })).toEqual({ box, fill: 'mean' });
  expect(editRequest('paint', { ...nothing, box })).toBeNull();
  expect(editRequest('paint', { ...nothing, mask: 'data:image/png;base64,AA' })).toEqual({ mask: 'data:image/png;base64,AA', fill: 'mean' });
  expect(editRequest('paste', { ...nothing, box })).toBeNull();
});

test('a pasted patch comes from the same place, or from another', () => {
  const given = { ...nothing, box, donor: 'test:2' };
  expect(editRequest('paste', given)?.paste).toEqual({ picture: 'test:2', y: 4, x: 6, h: 7, w: 7 });
  expect(editRequest('paste', { ...given, from: { y: 0, x: 1 } })?.paste).toMatchObject({ y: 0, x: 1, h: 7, w: 7 });
});

test('a patch begins at a quarter of the picture, never at nothing', () => {
  expect([patchSide(28, 28), patchSide(224, 224), patchSide(1, 1)]).toEqual([7, 56, 1]);
  expect([fillOf('blur'), fillOf('pink'), fillOf(null)]).toEqual(['blur', 'mean', 'mean']);
});

test('techniques are offered by what they need, not by name', () => {
  const method = (name: string, kind: string, needs: Record<string, boolean>) => ({ name, kind, needs }) as unknown as Method;
  const methods = [
    method('a', 'Pictures', { net: true, images: true, style: true }), method('b', 'Map', { net: true, images: true, donor: false }),
    method('c', 'Map', { net: true, images: true, masks: true }), method('d', 'Points', { net: true, data: true }),
  ]; // prettier-ignore
  expect(explaining(methods).map((each) => each.name)).toEqual(['a', 'b']);
  expect(grouped(explaining(methods)).map((group) => group.methods[0].name)).toEqual(['b', 'a']);
});

test('a target is a name, an index or a unit', () => {
  const targets = ['Sandal', '3', 'conv1:7:2:2', ''].map((text) => targetOf(['Sandal', 'Bag'], text));
  expect(targets).toEqual(['Sandal', 3, 'conv1:7:2:2', null]);
  expect(targetOf(['7', '3'], '3')).toBe('3'); // a class that is called a number
});

test('two classes of the same name stay two targets', () => {
  const classes = ['crane', 'maillot', 'crane'];
  expect(classes.map((_, i) => targetAt(classes, i))).toEqual(['crane', 'maillot', '#2']);
  expect(classes.map((_, i) => indexOf(classes, targetAt(classes, i)))).toEqual([0, 1, 2]);
  expect(classes.map((_, i) => targetOf(classes, targetAt(classes, i)))).toEqual([0, 'maillot', 2]);
});

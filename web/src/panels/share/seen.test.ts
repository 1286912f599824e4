import { expect, test } from 'vitest';
import type { Result } from '../../types';
import { bytes, fileName, listed, needed } from './seen';

const result = (key: string, payload: unknown = {}, parts: unknown[] = []) =>
  ({ key, method: 'gradcam', payload, parts }) as unknown as Result;

test('the newest comes first and none twice', () => {
  const [a, b, again] = [result('a'), result('b'), result('a')];
  expect(listed([a, b, again]).map((each) => each.key)).toEqual(['a', 'b']);
  expect(listed([a, b, again])[0]).toBe(again);
});

test('a file is named by its technique and key', () => {
  expect(fileName({ method: 'gradcam', key: '0123456789abcdef' }, 'npz')).toBe('gradcam-01234567.npz');
  expect(fileName({ method: '', key: 'ab' }, 'png')).toBe('result-ab.png');
});

test('a frozen page needs what a result draws, its parts and its atlas too', () => {
  const part = { payload: { kind: 'Map', values: '/api/results/k/part0.values.f32' } };
  const whole = result('k', { xy: '/api/results/k/xy.f32', n: 3, title: 'api', atlas: { pages: ['/api/results/k/atlas-0.webp'] } }, [part]);
  expect(needed(whole)).toEqual([
    '/api/results/k', '/api/results/k/xy.f32', '/api/results/k/atlas-0.webp', '/api/results/k/part0.values.f32',
  ]);
});

test('a size reads in the unit that fits', () => {
  expect([bytes(12_340_000), bytes(840_000), bytes(3)]).toEqual(['12.3 MB', '840 kB', '1 kB']);
});

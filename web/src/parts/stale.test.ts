import { expect, test } from 'vitest';

import { untilStale } from './stale';

const turn = () => new Promise((resolve) => setTimeout(resolve));

test('an answer and a failure are handed on', async () => {
  const told: unknown[] = [];
  untilStale(Promise.resolve(1), (found) => told.push(found));
  untilStale(Promise.reject(new Error('no')), () => told.push('never'), (reason) => told.push(`${reason}`));
  await turn();
  expect(told).toEqual([1, 'Error: no']);
});

test('what arrives when the question has changed is ignored, failures too', async () => {
  const told: unknown[] = [];
  untilStale(Promise.resolve(1), (found) => told.push(found))();
  untilStale(Promise.reject(new Error('no')), () => {}, (reason) => told.push(reason))();
  await turn();
  expect(told).toEqual([]);
});

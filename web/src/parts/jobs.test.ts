import { expect, test } from 'vitest';

import { Cancelled, type Running } from '../api';
import type { Step } from '../types';
import { Following } from './jobs.svelte';

const turn = () => new Promise((resolve) => setTimeout(resolve));

function started() {
  let end: { resolve: (value: string) => void; reject: (why: Error) => void };
  let tell: (step: Step) => void = () => {};
  let cancelled = 0;
  const done = new Promise<string>((resolve, reject) => (end = { resolve, reject }));
  const start = (onStep: (step: Step) => void): Running<string> => {
    tell = onStep;
    return { done, cancel: () => (cancelled++, end.reject(new Cancelled('cancelled'))) };
  };
  return { start, tell: (step: Step) => tell(step), end: end!, cancelled: () => cancelled };
}

test('what is followed tells its steps, then its answer', async () => {
  const [following, first] = [new Following<string>(), started()];
  const over = following.follow(first.start);
  first.tell({ fraction: 0.5 });
  expect([following.busy, following.step?.fraction, following.value]).toEqual([true, 0.5, null]);
  first.end.resolve('found');
  expect(await over).toBe(true);
  expect([following.busy, following.step, following.value]).toEqual([false, null, 'found']);
});

test('the old answer stays until the new one is there, and after a failure', async () => {
  const [following, first, second] = [new Following<string>(), started(), started()];
  const over = following.follow(first.start);
  first.end.resolve('old');
  await over;
  const failing = following.follow(second.start);
  expect(following.value).toBe('old');
  second.end.reject(new Error('no'));
  expect(await failing).toBe(true);
  expect([following.value, `${following.error}`]).toEqual(['old', 'Error: no']);
});

test('only the newest is waited for; to leave one does not stop it, to cancel does', async () => {
  const [following, first, second] = [new Following<string>(), started(), started()];
  const over = following.follow(first.start);
  void following.follow(second.start);
  first.tell({ fraction: 1 });
  first.end.resolve('late');
  expect(await over).toBe(false);
  expect([following.value, following.step, first.cancelled()]).toEqual([null, null, 0]);
  following.cancel();
  await turn();
  expect([following.busy, following.error, second.cancelled()]).toEqual([false, null, 1]);
});

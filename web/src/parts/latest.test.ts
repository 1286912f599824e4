import { expect, test } from 'vitest';

import { latest } from './latest';

function slow() {
  const asked: number[] = [];
  const answer: (() => void)[] = [];
  const ask = (value: number) => {
    asked.push(value);
    return new Promise<number>((resolve) => answer.push(() => resolve(10 * value)));
  };
  return { asked, answer, ask };
}
const turn = () => new Promise((resolve) => setTimeout(resolve));

test('one request is in flight; of those that wait only the newest is sent', async () => {
  const { asked, answer, ask } = slow();
  const done: number[] = [];
  const drag = latest(ask, (value) => done.push(value), () => {});
  for (const value of [1, 2, 3, 4]) drag.send(value);
  expect(asked).toEqual([1]);
  answer[0]();
  await turn();
  expect(asked).toEqual([1, 4]);
  answer[1]();
  await turn();
  expect(done).toEqual([10, 40]);
});

test('after a stop nothing that was under way arrives, and new requests work', async () => {
  const { asked, answer, ask } = slow();
  const done: number[] = [];
  const drag = latest(ask, (value) => done.push(value), () => {});
  drag.send(1);
  drag.send(2);
  drag.stop();
  drag.send(3);
  answer[0]();
  await turn();
  answer[1]();
  await turn();
  expect(asked).toEqual([1, 3]);
  expect(done).toEqual([30]);
});

test('a failure is told and the next one still goes', async () => {
  const told: unknown[] = [];
  const drag = latest(async (value: number) => { if (value === 1) throw new Error('no'); return value; }, (value) => told.push(value), (error) => told.push(`${error}`)); // prettier-ignore
  drag.send(1);
  drag.send(2);
  await turn();
  expect(told).toEqual(['Error: no', 2]);
});

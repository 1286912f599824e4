import { expect, test } from 'vitest';

import { compact, gapWords, percent, short, stepWords } from './format';

test('numbers are short, with a true minus', () => {
  expect([0, 1.2345, -12.345, 123.4, 0.5].map(short)).toEqual(['0', '1.23', '−12.3', '123', '0.500']);
  expect(short(-0.00012)).toBe('−1.2e−4');
  expect(short(1_234_567)).toBe('1\u202f234\u202f567');
  expect(short(null)).toBe('–');
});

test('shares and large counts', () => {
  expect(percent(0.1234)).toBe('12.3%');
  expect(percent(null)).toBe('–');
  expect([950, 74_354, 2_236_682].map(compact)).toEqual(['950', '74\u202fk', '2.2\u202fM']);
});

test('a step is told by what it does and by its counts', () => {
  expect(stepWords(null, 'Counting…')).toBe('Counting…');
  expect(stepWords({ fraction: 0.5, message: 'drawing' })).toBe('drawing');
  expect(stepWords({ message: 'features', done: 1000, total: 20_000, unit: 'pictures' })).toBe('features: 1\u202f000 of 20\u202f000 pictures');
  expect(stepWords({ message: '', done: 2, total: 12, unit: 'epochs' })).toBe('2 of 12 epochs');
});

test('gaps are told with the error that was measured, or without', () => {
  const gaps = { known: 120, total: 1200, error: [0.012, 0.2] as [number, number], measured: 40 };
  expect(gapWords(gaps)).toBe(
    '120 of 1\u202f200 positions are answered; the others show the nearest answer. Measured on 40 of them, they are off by 1.2% of the largest effect on average, 20.0% at most.',
  );
  expect(gapWords({ ...gaps, error: null })).toBe('120 of 1\u202f200 positions are answered; the others show the nearest answer.');
});

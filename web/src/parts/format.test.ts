import { expect, test } from 'vitest';

import { compact, percent, short } from './format';

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

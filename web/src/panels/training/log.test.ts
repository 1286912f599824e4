import { expect, test } from 'vitest';
import { best, duration, extended, lines, measures } from './log';

const log = [
  { epoch: 1, loss: 2, validation_loss: 2.5, accuracy: 0.4, validation_accuracy: 0.3 },
  { epoch: 2, loss: 1, validation_loss: null, accuracy: 0.7, validation_accuracy: 0.8 },
  { epoch: 3, loss: 0.5, validation_loss: NaN, accuracy: 0.9, validation_accuracy: 0.6 },
];

test('a log becomes a training and a validation line, with gaps where there is no number', () => {
  expect(lines(log, 'loss')).toEqual([
    { name: 'training', x: [1, 2, 3], y: [2, 1, 0.5] },
    { name: 'validation', x: [1, 2, 3], y: [2.5, null, null] },
  ]);
  expect(lines([{ epoch: 1, loss: 2 }], 'loss', 'a ').map((line) => line.name)).toEqual(['a training']);
});

test('what is measured is read from the log', () => {
  expect(measures(log)).toEqual(['loss', 'accuracy']);
  expect(measures([{ loss: 1, error_px: 3 }])).toEqual(['loss', 'error_px']);
  expect(measures([])).toEqual([]);
});

test('a resumed training tells an epoch again, and what came after it is forgotten', () => {
  expect(extended(log, { epoch: 2, loss: 9 }).map((row) => row.loss)).toEqual([2, 9]);
  expect(extended(log, { epoch: 4, loss: 0.1 })).toHaveLength(4);
});

test('the best epoch is that of validation, and of an error the smallest', () => {
  expect(best(log)).toEqual({ epoch: 2, value: 0.8, measure: 'accuracy' });
  expect(
    best([
      { epoch: 1, error_px: 4 },
      { epoch: 2, error_px: 3 },
      { epoch: 3, error_px: 5 },
    ]),
  ).toEqual({
    epoch: 2,
    value: 3,
    measure: 'error_px',
  });
  expect(best([{ epoch: 1, loss: 4 }])).toBeNull();
});

test.each([
  [0.4, '0 s'],
  [59.7, '1 min'],
  [200, '3 min 20 s'],
  [3900, '1 h 5 min'],
  [7200, '2 h'],
])('%d seconds read as %s', (seconds, words) => expect(duration(seconds)).toBe(words));

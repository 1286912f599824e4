import { expect, test } from 'vitest';
import { saysOneClass } from './tasks';

test('one class is said by a softmax or by one score of two classes, not by labels or numbers', () => {
  expect(['classify', 'binary'].every(saysOneClass)).toBe(true);
  expect(['multilabel', 'regress', 'locate', 'segment'].some(saysOneClass)).toBe(false);
});

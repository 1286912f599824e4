import { expect, test } from 'vitest';
import { outputNoun, outputNouns, saysOneClass } from './tasks';

test('one class is said by a softmax or by one score of two classes, not by labels or numbers', () => {
  expect(['classify', 'binary'].every(saysOneClass)).toBe(true);
  expect(['multilabel', 'regress', 'locate', 'segment'].some(saysOneClass)).toBe(false);
});

test('an output is called what the task makes of it', () => {
  expect(['binary', 'multilabel', 'regress'].map(outputNoun)).toEqual(['class', 'label', 'output']);
  expect(['binary', 'multilabel', 'regress'].map(outputNouns)).toEqual(['classes', 'labels', 'outputs']);
});

import { expect, test } from 'vitest';
import { ordered, summary, withShown, type Claim } from './verdicts';

const claim = (found: boolean, flip: number | null, control = 0, target = 'bag'): Claim => ({
  found, target, cue: 'place', flip_rate: flip, control_rate: control,
});

test('what was found comes first, the strongest beyond its control before others', () => {
  const all = [claim(false, 0.9), claim(true, 0.6, 0.5), claim(true, 0.4, 0.0), claim(false, null)];
  expect(ordered(all, (each) => each).map((each) => all.indexOf(each))).toEqual([2, 1, 0, 3]);
});

test('each state of an audit has its own words', () => {
  expect(summary('none', []).title).toBe('Not audited yet');
  expect(summary('running', []).title).toBe('The audit is running');
  expect(summary('done', []).title).toBe('No shortcut found');
  expect(summary('done', [claim(false, 0.1)]).text).toContain('not a proof');
  const two = summary('done', [claim(true, 1), claim(true, 1), claim(false, 0, 0, 'coat')]);
  expect(two.title).toBe('2 shortcuts found');
  expect(two.text).toContain('decide: bag.');
});

test('a button says with how many shown objects it starts', () => {
  expect(withShown('Run the audit', 0)).toBe('Run the audit');
  expect(withShown('Run the audit', 1)).toBe('Run the audit with the object you showed');
  expect(withShown('Run the audit', 12)).toBe('Run the audit with the 12 objects you showed');
});

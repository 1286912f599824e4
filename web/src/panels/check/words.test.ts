import { describe, expect, it } from 'vitest';

import type { Check } from '../../types';
import { summary } from './words';

const done: Check = { state: 'done', caption: '9 pictures: 1 odd picture.', notes: [], problems: [], obstacle: '', job: null };

describe('what the check says', () => {
  it('counts what has to be settled, and nothing else', () => {
    const problem = (name: string, count: number) => ({ problem: name, title: name, count, findings: [] });
    expect(summary({ ...done, problems: [problem('odd', 5)] }).title).toBe('The pictures are sound');
    expect(summary({ ...done, problems: [problem('leak', 2), problem('mislabelled', 3), problem('odd', 5)] }).title).toBe('5 to settle');
    expect(summary(done).text).toBe(done.caption);
  });

  it('says why there is nothing yet', () => {
    expect(summary({ ...done, state: 'none' }).title).toBe('Not checked yet');
    expect(summary({ ...done, state: 'none', obstacle: 'no pictures' })).toEqual({ title: 'There is nothing to check', text: 'no pictures' });
  });
});

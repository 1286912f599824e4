// What does the check say in a sentence, whatever its state?

import type { Check } from '../../types';

/** A title and a sentence: what was found, or why nothing was looked for yet. */
export function summary(told: Check): { title: string; text: string } {
  if (told.obstacle) return { title: 'There is nothing to check', text: told.obstacle };
  if (told.state === 'running') return { title: 'Looking at the pictures', text: 'Findings appear here when it is done.' };
  if (told.state === 'none') {
    return {
      title: 'Not checked yet',
      text: 'A check looks for labels that are probably wrong, copies within and between splits, odd pictures, classes too small to judge, and image properties that tell the class.',
    };
  }
  const bad = told.problems.filter((each) => each.problem === 'leak' || each.problem === 'mislabelled');
  const count = bad.reduce((sum, each) => sum + each.count, 0);
  return { title: count ? `${count.toLocaleString('en')} to settle` : 'The pictures are sound', text: told.caption };
}

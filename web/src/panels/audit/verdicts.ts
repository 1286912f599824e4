// How are verdicts told? What was found first, by how much it flips; and plainly when nothing was.

import type { Audit, VerdictPayload } from '../../types';

export type Claim = Pick<VerdictPayload, 'found' | 'target' | 'cue' | 'flip_rate' | 'control_rate'>;

/** Found ones first, those that flip most decisions beyond their control before others. */
export function ordered<T>(all: readonly T[], claim: (each: T) => Claim): T[] {
  const excess = (each: T) => (claim(each).flip_rate ?? 0) - (claim(each).control_rate ?? 0);
  return [...all].sort((a, b) => Number(claim(b).found) - Number(claim(a).found) || excess(b) - excess(a));
}

export function summary(state: Audit['state'], claims: readonly Claim[]): { title: string; text: string } {
  const found = claims.filter((each) => each.found);
  if (found.length) {
    const classes = [...new Set(found.map((each) => each.target).filter(Boolean))];
    return {
      title: found.length === 1 ? 'One shortcut found' : `${found.length} shortcuts found`,
      text: `The network lets something that is not the object decide${classes.length ? `: ${classes.join(', ')}` : ''}. Each verdict below shows what, where, and how often it flips a decision.`,
    };
  }
  if (state === 'done') {
    return {
      title: 'No shortcut found',
      text: 'Nothing that was tried flips enough decisions beyond its control to count as one. That is an answer, not a proof: a cue that was not tried can still be there.',
    };
  }
  if (state === 'running') return { title: 'The audit is running', text: 'Verdicts appear here when it is done.' };
  return {
    title: 'Not audited yet',
    text: 'An audit looks for places, backgrounds and borders that decide instead of the object, by pasting them into other pictures and counting how many decisions flip.',
  };
}

/** What a button does, with how many pictures' objects the reader showed. */
export function withShown(words: string, shown: number): string {
  return shown ? `${words} with ${shown === 1 ? 'the object' : `the ${shown} objects`} you showed` : words;
}

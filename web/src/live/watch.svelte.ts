// Which layers' values does somebody want to see, and what are they in the last pass?
import type { Stamp } from './about';
import type { Values } from './network';

class Watch {
  /** Names of layers whose values a pass over the untouched picture brings along. */
  layers: readonly string[] = [];
  /** Of these the ones on the screen: a pass over a changed picture brings no others. */
  inView = $state.raw<readonly string[]>([]);
  gradients: 'none' | 'quick' | 'slow' = 'none'; // whether the network's gradient can be had, and how soon
  near = false; // whether the page has the data set's vectors
  stamps: readonly Stamp[] = []; // cues that the audit found
  unstamped: readonly string[] = []; // those that no stamp can show, in words
  clean = $state.raw<Values | null>(null); // of the untouched picture
  edited = $state.raw<Values | null>(null); // of the picture as it was changed last
}

export const watch = new Watch();

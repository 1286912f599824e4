// What are the layers' values? Only a page that runs its network itself can say.
import type { Values } from '../../live/network';
import type { Computed } from '../../live/result';

interface Layered {
  /** Of the untouched picture: the scores and every layer that is watched. */
  clean: (picture: string) => Promise<Values>;
  /** Of the picture as it was changed last; they are added to `watch.edited`. */
  more: (layers: readonly string[]) => Promise<void>;
  /** Maps by gradient of the picture, or of what it was changed into last, for an output of the network. */
  gradients: (picture: string, target: number, changed: boolean) => Promise<Computed[]>;
}

const nothing = () => Promise.reject(new Error('This page runs no network'));
let source: Layered = { clean: nothing, more: nothing, gradients: nothing };

export function useLayers(answers: Layered): void {
  source = answers;
}

export const clean: Layered['clean'] = (picture) => source.clean(picture);
export const gradients: Layered['gradients'] = (...asked) => source.gradients(...asked);
export const more: Layered['more'] = (layers) => source.more(layers);

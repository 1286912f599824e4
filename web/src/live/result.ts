// What does a map that this page computed look like as an answer of the studio?
import type { Result } from '../types';
import type { About } from './about';
import type { Pixels } from './album';
import { urlOf } from './album';

export interface Computed {
  method: string;
  title: string;
  caption: string;
  values: Float32Array;
  signed: boolean;
  unit: string;
  limit: number; // where the colours end
}

/** `key` is where the numbers can be asked for; `label` names what is explained, and `score` is its score. */
export function told(made: Computed, about: About, key: string, pixels: Pixels, label: string, score: number): Result {
  const [h, w] = about.size;
  const { method, title, caption, limit, signed, unit } = made;
  return {
    key, method, kind: 'Map', title, caption, notes: [], provenance: null, png: '', downloads: {}, parts: [], gaps: null,
    python: `cs.${method}(net, images)`,
    payload: {
      kind: 'Map', n: 1, h, w, signed, unit, low: signed ? -limit : 0, high: limit, limit: [limit], labels: [label],
      clean_scores: [score], pictures: [urlOf(pixels, about)], values: key, half: null,
    },
  }; // prettier-ignore
}

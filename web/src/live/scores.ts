// What do the network's numbers say: which class, with which probability?
import type { Score, Scores } from '../types';
import type { About } from './about';

const NUMBERS = ['regress', 'locate', 'embed']; // tasks without probabilities

/** One row for each output: classes by score, largest first; numbers in their own order. */
export function rows(logits: Float32Array, about: Pick<About, 'task' | 'each' | 'classes'>): Score[] {
  const chances = NUMBERS.includes(about.task) ? null : probabilities(logits, about.each);
  const made = Array.from(logits, (logit, index) => ({ index, name: about.classes[index], logit, probability: chances?.[index] ?? null }));
  return chances ? made.sort((a, b) => b.logit - a.logit) : made;
}

export function probabilities(logits: Float32Array, each: boolean): number[] {
  if (each) return Array.from(logits, (v) => 1 / (1 + Math.exp(-v)));
  const top = Math.max(...logits);
  const shares = Array.from(logits, (v) => Math.exp(v - top));
  const total = shares.reduce((a, b) => a + b, 0);
  return shares.map((v) => v / total);
}

/** The class that the network says, or the labels over their thresholds; null where it says numbers. */
export function said(scores: Score[], { task, thresholds, classes }: Pick<About, 'task' | 'thresholds' | 'classes'>): Scores['said'] {
  const reaches = (score: Score, i: number) => (score.probability ?? 0) >= (thresholds?.[i] ?? 0.5);
  if (task === 'multilabel') {
    const labels = scores.filter((score) => reaches(score, score.index)).map((score) => score.name);
    return labels.length ? labels.join(', ') : 'none';
  }
  if (task === 'binary' && thresholds) {
    const second = scores.find((score) => score.index === 1)!;
    return classes[Number((second.probability ?? 0) >= thresholds.at(-1)!)];
  }
  return NUMBERS.includes(task) ? null : scores[0].name;
}

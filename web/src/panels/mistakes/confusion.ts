// Which classes are taken for which, how often, and how should a cell of that matrix look?
import type { Confusion as Whole } from '../../types';

export type Confusion = Pick<Whole, 'classes' | 'counts'>; // counts[true][predicted]

export interface Mixup {
  label: number;
  predicted: number;
  count: number;
  /** The share of the true class's pictures that went there. */
  share: number;
}

/** Each cell's share of its row: of the pictures of one class, how many were given which name. */
export function shares(counts: number[][]): number[][] {
  return counts.map((row) => {
    const all = row.reduce((sum, n) => sum + n, 0);
    return row.map((n) => (all ? n / all : 0));
  });
}

/** The mistakes made most often, most first. */
export function mixups({ counts }: Confusion, most = 8): Mixup[] {
  const share = shares(counts);
  return counts
    .flatMap((row, label) =>
      row.map((count, predicted) => ({ label, predicted, count, share: share[label][predicted] })),
    )
    .filter((each) => each.count > 0 && each.label !== each.predicted)
    .sort((a, b) => b.count - a.count || b.share - a.share)
    .slice(0, most);
}

/** How dark a cell is, 0 … 1: the square root lets a few mistakes be seen beside many right answers. */
export function shade(share: number): number {
  return Math.sqrt(Math.min(1, Math.max(0, share)));
}

/** The classes that are there: all of a few, of many those that a picture is or was taken for. */
export function occurring({ counts }: Confusion, few: number): number[] {
  const all = counts.map((_, k) => k);
  if (all.length <= few) return all;
  const seen = new Set(counts.flatMap((row, k) => row.flatMap((n, p) => (n ? [k, p] : []))));
  return all.filter((k) => seen.has(k));
}

/** The classes that fit on the screen: all that occur, or the `most` with the most mistakes among them. */
export function worst(confusion: Confusion, most: number): number[] {
  const counts = confusion.counts;
  const all = occurring(confusion, most);
  if (all.length <= most) return all;
  const missed = (k: number) => counts[k].reduce((sum, n, p) => sum + (p === k ? 0 : n + counts[p][k]), 0);
  return all
    .sort((a, b) => missed(b) - missed(a))
    .slice(0, most)
    .sort((a, b) => a - b);
}

/** The cell that an arrow key leads to. */
export function moved(at: [number, number], key: string, size: number): [number, number] | null {
  const [row, column] = at;
  const to: Record<string, [number, number]> = {
    ArrowUp: [row - 1, column],
    ArrowDown: [row + 1, column],
    ArrowLeft: [row, column - 1],
    ArrowRight: [row, column + 1],
    Home: [row, 0],
    End: [row, size - 1],
  };
  return to[key] ? (to[key].map((i) => Math.min(size - 1, Math.max(0, i))) as [number, number]) : null;
}

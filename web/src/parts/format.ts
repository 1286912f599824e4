// How is a number written for a reader?
import type { Gaps, Step } from '../types';

/** Three significant digits, thousands with a thin space, a true minus sign. */
export function short(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 10_000) return grouped(Math.round(value));
  if (value !== 0 && size < 0.001) return value.toExponential(1).replaceAll('-', '−');
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toFixed(digits).replace('-', '−');
}

export function grouped(value: number): string {
  return String(value).replace('-', '−').replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

export function percent(value: number | null | undefined, digits = 1): string {
  return value === null || value === undefined || !Number.isFinite(value) ? '–' : `${(100 * value).toFixed(digits)}%`;
}

/** 1 200 000 → 1.2 M */
export function compact(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toFixed(1)}\u202fG`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)}\u202fM`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)}\u202fk`;
  return grouped(value);
}

/** How far a job is: what it does, and how many of how many where that is counted. */
export function stepWords(step: Step | null | undefined, otherwise = 'Computing'): string {
  if (!step?.total) return step?.message || otherwise;
  const counted = `${grouped(step.done ?? 0)} of ${grouped(step.total)} ${step.unit ?? ''}`.trim();
  return step.message ? `${step.message}: ${counted}` : counted;
}

/** How much of a map is answered, and how far off the rest is. */
export function gapWords(gaps: Gaps): string {
  const known = `${grouped(gaps.known)} of ${grouped(gaps.total)} positions are answered; the others show the nearest answer.`;
  if (!gaps.error) return known;
  const [mean, largest] = gaps.error;
  return `${known} Measured on ${grouped(gaps.measured)} of them, they are off by ${percent(mean)} of the largest effect on average, ${percent(largest)} at most.`;
}

/** "goldfish, Carassius auratus" → "goldfish", but for a class whose first name another has too. */
export function brief(name: string, among: readonly string[] = []): string {
  const first = name.split(', ')[0];
  return among.some((other) => other !== name && other.split(', ')[0] === first) ? name : first;
}

export function shape(sides: readonly number[]): string {
  return sides.join(' × ');
}

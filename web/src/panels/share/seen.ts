// Which results has the reader seen in this session? Kept by the panels' own requests, the newest first.
import type { Result } from '../../types';

/** Results by key, each once; parts belong to their result. */
export function listed(all: Iterable<Result>): Result[] {
  const byKey = new Map<string, Result>();
  for (const each of all) {
    byKey.delete(each.key);
    byKey.set(each.key, each);
  }
  return [...byKey.values()].reverse();
}

/** "gradcam-1a2b3c4d.png": a name that sorts by technique and is not overwritten by another's. */
export function fileName(result: Pick<Result, 'method' | 'key'>, suffix: string): string {
  return `${result.method || 'result'}-${result.key.slice(0, 8)}.${suffix}`;
}

/** Everything a frozen page must be asked for, to show these results: their files that a page draws. */
export function needed(result: Result): string[] {
  const own = [`/api/results/${result.key}`, ...addresses(result.payload)];
  return [...own, ...result.parts.flatMap((part) => addresses(part.payload))];
}

/** Every address of this server in a value, however deep. */
function addresses(value: unknown): string[] {
  if (typeof value === 'string') return value.startsWith('/api/') ? [value] : [];
  if (value && typeof value === 'object') return Object.values(value).flatMap(addresses);
  return [];
}

/** "12.3 MB", "840 kB". */
export function bytes(n: number): string {
  return n >= 1e6 ? `${(n / 1e6).toFixed(1)} MB` : `${Math.max(1, Math.round(n / 1e3))} kB`;
}

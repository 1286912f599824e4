// How is a number written for a reader?

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

/** "goldfish, Carassius auratus" → "goldfish", but for a class whose first name another has too. */
export function brief(name: string, among: readonly string[] = []): string {
  const first = name.split(', ')[0];
  return among.some((other) => other !== name && other.split(', ')[0] === first) ? name : first;
}

export function shape(sides: readonly number[]): string {
  return sides.join(' × ');
}

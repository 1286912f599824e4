// Where do a chart's ticks stand, and how does a value become a position?

export interface Scale {
  low: number;
  high: number;
  ticks: number[];
  at: (value: number) => number; // 0 … 1
}

/** A scale that covers the values, with about `count` ticks at 1, 2 or 5 times a power of ten; `whole` ones only. */
export function scale(values: number[], count = 5, whole = false): Scale {
  const finite = values.filter(Number.isFinite);
  let low = Math.min(...finite);
  let high = Math.max(...finite);
  if (!finite.length) [low, high] = [0, 1];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const step = Math.max(whole ? 1 : 0, niceStep((high - low) / count));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  return { low, high, ticks, at: (value) => (value - low) / (high - low) };
}

export function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const share = rough / power;
  return power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
}

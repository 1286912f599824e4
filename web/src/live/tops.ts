// Which parts of the page's pictures drive a channel most?
import type { Maps } from './sheet';

/** A picture, and the cell of it where the channel is strongest. */
export interface Top {
  picture: string;
  value: number;
  y: number;
  x: number;
}

/** For each channel, where its map is largest. */
export function peaks({ c, h, w, data }: Maps): { value: number; at: number }[] {
  return Array.from({ length: c }, (_, channel) => {
    let at = channel * h * w;
    for (let i = at; i < (channel + 1) * h * w; i++) if (data[i] > data[at]) at = i;
    return { value: data[at], at: at - channel * h * w };
  });
}

/** The `k` pictures in which the channel is strongest; those where it is silent are left out. */
export function strongest(all: Map<string, { value: number; at: number }[]>, channel: number, width: number, k: number): Top[] {
  return [...all]
    .map(([picture, found]) => ({ picture, value: found[channel].value, y: Math.floor(found[channel].at / width), x: found[channel].at % width }))
    .filter((each) => each.value > 0)
    .sort((a, b) => b.value - a.value)
    .slice(0, k);
}

// What is changed in the picture, as the server wants it?
import type { Box, EditRequest } from '../../types';

export type Tool = 'occlude' | 'paint' | 'paste';

export type Fill = NonNullable<EditRequest['fill']>;

// One entry for each fill of the server's schema: a missing or an unknown one does not compile.
const KNOWN: Record<Fill, true> = { mean: true, grey: true, black: true, white: true, blur: true, noise: true };
export const FILLS = Object.keys(KNOWN) as Fill[];

export function fillOf(text: string | null): Fill {
  return FILLS.find((fill) => fill === text) ?? 'mean';
}

/** "4,6,7,7" in the URL is the box at row 4, column 6, 7 × 7 pixels; anything else is no box. */
export function boxOf(text: string | null): Box | null {
  const [y, x, h, w, ...more] = (text ?? '').split(',').map(Number);
  const whole = [y, x, h, w].every(Number.isInteger) && !more.length;
  return whole && h > 0 && w > 0 ? { y, x, h, w } : null;
}

export function textOf(box: Box): string {
  return `${box.y},${box.x},${box.h},${box.w}`;
}

/** A patch of about a quarter of the picture's side to begin with. */
export function patchSide(h: number, w: number): number {
  return Math.max(1, Math.round(Math.min(h, w) / 4));
}

export function editRequest(
  tool: Tool,
  given: { box: Box | null; mask: string | null; fill: Fill; donor: string | null; from: { y: number; x: number } | null },
): EditRequest | null {
  const { box, mask, fill, donor, from } = given;
  if (tool === 'paint') return mask ? { mask, fill } : null;
  if (!box) return null;
  if (tool === 'occlude') return { box, fill };
  if (!donor) return null;
  const { y, x } = from ?? box;
  return { box, paste: { picture: donor, y, x, h: box.h, w: box.w } };
}

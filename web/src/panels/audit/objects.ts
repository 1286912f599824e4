// Where is the object? Masks as runs and as pixels, what a click or a stroke does to them, and the lines around them.

export type Mask = Uint8Array; // 1 where the object is, row by row
export type Tool = 'piece' | 'add' | 'remove';
export interface At {
  y: number;
  x: number;
}
export interface Size {
  h: number;
  w: number;
}

/** A mask from the lengths of its runs, those that are not the object first. */
export function masked(runs: readonly number[], { h, w }: Size): Mask {
  const mask = new Uint8Array(h * w);
  let at = 0;
  runs.forEach((length, i) => {
    if (i % 2) mask.fill(1, at, at + length);
    at += length;
  });
  return mask;
}

export function runsOf(mask: Mask): number[] {
  const runs: number[] = [];
  let value = 0;
  let length = 0;
  for (const each of mask) {
    if (each !== value) {
      runs.push(length);
      [value, length] = [each, 0];
    }
    length += 1;
  }
  return [...runs, length];
}

/** The number of each pixel's piece. */
export function piecesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

export function pixel({ y, x }: At, { h, w }: Size): number {
  const clamp = (value: number, side: number) => Math.min(side - 1, Math.max(0, Math.floor(value)));
  return clamp(y, h) * w + clamp(x, w);
}

/** The mask with every piece that lies between two points taken in, or out. */
export function withPieces(mask: Mask, pieces: Uint8Array, size: Size, from: At, to: At, inside: boolean): Mask {
  const crossed = new Set<number>();
  const steps = Math.max(1, Math.ceil(2 * Math.hypot(to.y - from.y, to.x - from.x)));
  for (let i = 0; i <= steps; i++) {
    const part = i / steps;
    crossed.add(pieces[pixel({ y: from.y + part * (to.y - from.y), x: from.x + part * (to.x - from.x) }, size)]);
  }
  return mask.map((value, i) => (crossed.has(pieces[i]) ? Number(inside) : value));
}

/** The mask with all pixels whose middle is within `radius` of the line between two points taken in, or out. */
export function withStroke(mask: Mask, { w }: Size, from: At, to: At, radius: number, inside: boolean): Mask {
  const [down, right] = [to.y - from.y, to.x - from.x];
  const length = down * down + right * right;
  return mask.map((value, i) => {
    const [y, x] = [Math.floor(i / w) + 0.5 - from.y, (i % w) + 0.5 - from.x];
    const along = length ? Math.min(1, Math.max(0, (y * down + x * right) / length)) : 0;
    return Math.hypot(y - along * down, x - along * right) <= radius ? Number(inside) : value;
  });
}

/** An SVG path of the pixels with a value, row by row. */
export function filled(mask: Mask, { h, w }: Size, value: number): string {
  let path = '';
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      if (mask[y * w + x] !== value) continue;
      const start = x;
      while (x < w && mask[y * w + x] === value) x += 1;
      path += `M${start} ${y}h${x - start}v1h${start - x}z`;
    }
  return path;
}

/** An SVG path of the edges between pixels that differ; the picture's own rim is no edge. */
export function outline(of: Mask, { h, w }: Size): string {
  let path = '';
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      const i = y * w + x;
      if (x + 1 < w && of[i] !== of[i + 1]) path += `M${x + 1} ${y}v1`;
      if (y + 1 < h && of[i] !== of[i + w]) path += `M${x} ${y + 1}h1`;
    }
  return path;
}

/** The pixels of the piece at a point. */
export function pieceAt(pieces: Uint8Array, at: At, size: Size): Mask {
  const piece = pieces[pixel(at, size)];
  return pieces.map((each) => Number(each === piece));
}

export function told(classes: readonly { told: number }[]): number {
  return classes.reduce((sum, each) => sum + each.told, 0);
}

/** "you showed 12 pictures: dog 8, cat 4", or that nothing was shown. */
export function summary(classes: readonly { name: string; told: number }[]): string {
  const some = classes.filter((each) => each.told);
  const all = told(some);
  if (!all) return 'You showed nothing yet: every object is cut out as it was found.';
  const each = some.map(({ name, told }) => `${name} ${told}`).join(', ');
  return `You showed where the object is in ${all} ${all === 1 ? 'picture' : 'pictures'}: ${each}.`;
}

// Which words can be read on a coloured cell? Black or white, whichever keeps 4.5 : 1 (WCAG 2.2, relative luminance).

export type Rgb = readonly [number, number, number];

/** `share` of the first colour, the rest of the second. */
export function mixed(colour: Rgb, ground: Rgb, share: number): Rgb {
  return [0, 1, 2].map((i) => Math.round(colour[i] * share + ground[i] * (1 - share))) as unknown as Rgb;
}

export function luminance(colour: Rgb): number {
  const [r, g, b] = colour.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(a: Rgb, b: Rgb): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

/** A background with words on it, as CSS. */
export function cell(ground: Rgb): string {
  const black = contrast(ground, [0, 0, 0]) >= contrast(ground, [255, 255, 255]);
  return `background:rgb(${ground.join(' ')});color:${black ? '#000' : '#fff'}`;
}

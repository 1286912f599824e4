// Where does each picture lie on the map, which colour does it wear, and which of them are inside a lasso?
import type { Atlas, PointsPayload } from '../../types';

export interface Cloud {
  n: number;
  /** x0, y0, x1, y1, … within [-1, 1], the longer side filling it: distances keep their proportions. */
  xy: Float32Array;
}

/** What is known of each picture: its class, or those of several labels that are there. */
export type Known = PointsPayload['labels'];

/** What colours and search need of a map's points; without `outputs`, `predicted` counts in the classes. */
export type About = Pick<PointsPayload, 'ids' | 'labels' | 'predicted' | 'loss' | 'classes'> &
  Partial<Pick<PointsPayload, 'right' | 'outputs'>>;

export type Colouring = 'class' | 'prediction' | 'error' | 'loss';

export const TITLES: Record<Colouring, string> = { class: 'class', prediction: 'prediction', error: 'right or wrong', loss: 'loss' };

export interface Group {
  name: string;
  colour: string;
  count: number;
}

export interface Colours {
  /** A group's index for each point; for loss, the share of the scale in 256 steps. */
  of: Uint16Array;
  palette: string[];
  groups: Group[];
  /** [low, high] of a continuous scale, or null. */
  scale: [number, number] | null;
}

/** The classes of picture `i`: one, several labels, or none. */
export function known(values: Known | undefined, i: number): number[] {
  const value = values?.[i];
  return Array.isArray(value) ? value : value === null || value === undefined || value < 0 ? [] : [value];
}

/** Whether a picture may have several labels. */
export function several(values: Known | undefined): boolean {
  return Array.isArray(values?.[0]);
}

/** The label that is nearest to being there in half of the pictures; the first of several. */
export function evenest(about: About): number {
  const counts = about.classes.map((_, k) => about.ids.filter((_, i) => known(about.labels, i).includes(k)).length);
  const off = counts.map((n) => Math.abs(n / about.ids.length - 0.5));
  return off.indexOf(Math.min(...off));
}

/** The names of what picture `i` is, or is seen as: "", "cat" or "cat + dog". */
export function names(values: Known | undefined, i: number, classes: readonly string[]): string {
  return known(values, i)
    .map((k) => classes[k])
    .filter(Boolean)
    .sort()
    .join(' + ');
}

/** Okabe & Ito's colours, then the same hues darker and lighter: told apart also by the colour-blind. */
export const CLASSES = [
  '#0072b2',
  '#e69f00',
  '#009e73',
  '#d55e00',
  '#cc79a7',
  '#56b4e9',
  '#b5a900',
  '#7a4fb5',
  '#6e6e78',
  '#8c4a2f',
  '#7ec8b2',
  '#f2a48a',
  '#3d5a80',
  '#c9a66b',
  '#9b5094',
  '#4c8c2b',
  '#e8c547',
  '#2f9bb3',
  '#b0506a',
  '#9aa0ac',
];
const UNKNOWN = '#9a9aa4';
const RIGHT = '#8d99ae';
const WRONG = '#d55e00';
/** Cividis (Nuñez, Anderton & Renslow 2018), nine of its steps: perceptually even, also for the colour-blind. */
const CIVIDIS = ['#00224e', '#123570', '#3b496c', '#575d6d', '#707173', '#8a8678', '#a59c74', '#c3b369', '#fee838'];

/** The positions of a `Points` payload, whose xy holds `dim` floats a point; a third axis is left out. */
export function cloud(xy: Float32Array, n: number, dim: number): Cloud {
  const out = new Float32Array(2 * n);
  const [low, high] = [
    [Infinity, Infinity],
    [-Infinity, -Infinity],
  ];
  for (let i = 0; i < n; i++) {
    for (let a = 0; a < 2; a++) {
      const v = xy[i * dim + a];
      if (v < low[a]) low[a] = v;
      if (v > high[a]) high[a] = v;
    }
  }
  const half = Math.max(high[0] - low[0], high[1] - low[1]) / 2 || 1;
  for (let i = 0; i < n; i++) {
    for (let a = 0; a < 2; a++) out[2 * i + a] = ((xy[i * dim + a] - (low[a] + high[a]) / 2) / half) * 0.96;
  }
  return { n, xy: out };
}

/** Which colourings the map can wear: those whose numbers it has. */
export function colourings(about: About): Colouring[] {
  const has = (values: unknown[] | null | undefined) => !!values?.some((v) => v !== null && v !== undefined);
  const all: [Colouring, boolean][] = [
    ['class', has(about.labels)],
    ['prediction', has(about.predicted)],
    ['error', has(about.labels) && has(about.predicted)],
    ['loss', has(about.loss)],
  ];
  return all.filter(([, there]) => there).map(([name]) => name);
}

/** `label`: of several labels, the one that is shown. */
export function colours(about: About, by: Colouring, label: number | null = null): Colours {
  if (by === 'loss') return byLoss(about);
  if (several(about.labels ?? about.predicted)) return byLabel(about, by, label ?? evenest(about));
  if (by === 'error') {
    return grouped(
      about.ids.map((_, i) => wrongness(about, i)),
      ['right', 'wrong'],
      [RIGHT, WRONG],
    );
  }
  const values = by === 'class' ? about.labels : about.predicted;
  const names = by === 'class' ? about.classes : about.outputs?.length ? about.outputs : about.classes;
  return grouped(
    about.ids.map((_, i) => known(values, i)[0] ?? null),
    names,
    names.map((_, k) => CLASSES[k % CLASSES.length]),
  );
}

/** One of several labels: there or not, said or not, or right, said in vain and missed. */
function byLabel(about: About, by: Colouring, label: number): Colours {
  const name = about.classes[label] ?? '';
  const output = about.outputs?.length ? about.outputs.indexOf(name) : label;
  const there = (i: number) => +known(about.labels, i).includes(label);
  const said = (i: number) => +known(about.predicted, i).includes(output);
  const each = (of: (i: number) => number) => about.ids.map((_, i) => of(i));
  if (by === 'error') {
    return grouped(
      each((i) => (said(i) - there(i) + 3) % 3),
      ['right', `${name} said but not there`, `${name} missed`],
      [RIGHT, WRONG, CLASSES[0]],
    );
  }
  const words = by === 'class' ? [`no ${name}`, name] : [`${name} not said`, `${name} said`];
  return grouped(each(by === 'class' ? there : said), words, [RIGHT, CLASSES[0]]);
}

/** 0 where the network is right, 1 where it is wrong, null where nobody knows. */
function wrongness(about: About, i: number): number | null {
  const right = about.right?.[i];
  if (right !== null && right !== undefined) return right ? 0 : 1;
  const [[label], [predicted]] = [known(about.labels, i), known(about.predicted, i)];
  if (label === undefined || predicted === undefined) return null;
  return label === predicted ? 0 : 1;
}

function grouped(values: (number | null)[], names: string[], palette: string[]): Colours {
  if (values.every((v) => v === null || v < 0)) [names, palette] = [[], []];
  const unknown = names.length;
  const of = Uint16Array.from(values, (v) => (v !== null && v >= 0 && v < unknown ? v : unknown));
  const counts = new Array<number>(unknown + 1).fill(0);
  of.forEach((k) => counts[k]++);
  const groups = names.map((name, k) => ({ name, colour: palette[k], count: counts[k] }));
  if (counts[unknown] && names.length) groups.push({ name: 'no label', colour: UNKNOWN, count: counts[unknown] });
  return { of, palette: [...palette, UNKNOWN], groups, scale: null };
}

/** Loss on a logarithmic scale: most pictures have very little of it, and the few with much are looked for. */
function byLoss(about: About): Colours {
  const logs = about.ids.map((_, i) => Math.log10(Math.max(about.loss?.[i] ?? 1e-4, 1e-4)));
  const [low, high] = [Math.min(...extremes(logs)), Math.max(...extremes(logs))];
  const of = Uint16Array.from(logs, (v) => Math.round((255 * (v - low)) / (high - low || 1)));
  return { of, palette: ramp(256), groups: [], scale: [10 ** low, 10 ** high] };
}

function extremes(values: number[]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return [low, high];
}

/** The loss scale as `steps` hexadecimal colours. */
export function ramp(steps: number): string[] {
  return Array.from({ length: steps }, (_, i) => {
    const at = (i / (steps - 1)) * (CIVIDIS.length - 1);
    const [from, to] = [CIVIDIS[Math.floor(at)], CIVIDIS[Math.ceil(at)]].map((hex) => parseInt(hex.slice(1), 16));
    const mixed = [16, 8, 0].map((shift) => {
      const [a, b] = [(from >> shift) & 255, (to >> shift) & 255];
      return Math.round(a + (b - a) * (at % 1))
        .toString(16)
        .padStart(2, '0');
    });
    return `#${mixed.join('')}`;
  });
}

/** The points inside the polygon x0, y0, x1, y1, … (even–odd rule). */
export function inside(points: Cloud, polygon: number[]): number[] {
  const found: number[] = [];
  for (let i = 0; i < points.n; i++) {
    if (holds(polygon, points.xy[2 * i], points.xy[2 * i + 1])) found.push(i);
  }
  return found;
}

function holds(polygon: number[], x: number, y: number): boolean {
  let within = false;
  for (let a = 0, b = polygon.length - 2; a < polygon.length; b = a, a += 2) {
    const [ay, by] = [polygon[a + 1], polygon[b + 1]];
    if (ay > y !== by > y && x < ((polygon[b] - polygon[a]) * (y - ay)) / (by - ay) + polygon[a]) within = !within;
  }
  return within;
}

/** The point nearest to (x, y), or -1 if none is within `reach`. */
export function nearest(points: Cloud, x: number, y: number, reach: number): number {
  let [at, best] = [-1, reach * reach];
  for (let i = 0; i < points.n; i++) {
    const d = (points.xy[2 * i] - x) ** 2 + (points.xy[2 * i + 1] - y) ** 2;
    if (d <= best) [at, best] = [i, d];
  }
  return at;
}

/** How many of the chosen points are in each group, most first; the share is of the chosen ones. */
export function bars(chosen: readonly number[], of: Uint16Array, groups: Group[]): (Group & { share: number })[] {
  const counts = new Array<number>(groups.length).fill(0);
  for (const i of chosen) if (of[i] < counts.length) counts[of[i]]++;
  return groups
    .map((group, k) => ({ ...group, count: counts[k], share: counts[k] / (chosen.length || 1) }))
    .filter((group) => group.count)
    .sort((a, b) => b.count - a.count);
}

/** Points whose id or class the words name: an exact id first, then the classes, then ids that contain them. */
export function search(about: About, words: string): number[] {
  const wanted = words.trim().toLowerCase();
  if (!wanted) return [];
  const ids = about.ids.map((id) => id.toLowerCase());
  const exact = ids.findIndex((id) => id === wanted || id.endsWith(`:${wanted}`));
  if (exact >= 0) return [exact];
  const named = new Set(about.classes.flatMap((name, k) => (name.toLowerCase().includes(wanted) ? [k] : [])));
  if (named.size) return about.ids.flatMap((_, i) => (known(about.labels, i).some((k) => named.has(k)) ? [i] : []));
  return ids.flatMap((id, i) => (id.includes(wanted) ? [i] : []));
}

/** At most `most` of the chosen, evenly spread over them. */
export function sampled(chosen: readonly number[], most: number): number[] {
  if (chosen.length <= most) return [...chosen];
  return Array.from({ length: most }, (_, i) => chosen[Math.floor((i * chosen.length) / most)]);
}

/** On which page of the atlas the thumbnail of picture `i` is, and where, in pixels. */
export function tile(atlas: Atlas, i: number): { page: number; x: number; y: number; w: number; h: number } {
  const [h, w] = atlas.cell;
  const size = atlas.columns ** 2;
  const at = i % size;
  return { page: Math.floor(i / size), x: (at % atlas.columns) * w, y: Math.floor(at / atlas.columns) * h, w, h };
}

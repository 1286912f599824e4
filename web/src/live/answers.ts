// How does the page answer itself what it would otherwise ask the studio's server? The same addresses, the same answers.
import { ApiError, Cancelled, type Running, type Source } from '../api';
import type { Cell, Edited, Picture, ReceptiveBox, Result, ResultRequest, Scores, Step } from '../types';
import type { About, Near } from './about';
import { Album, prepared, type Pixels } from './album';
import { Changes } from './changes';
import { blended, boxed, edited, type Change } from './edits';
import { Gradients, KINDS } from './gradients';
import { mapOf } from './hiding';
import { among, nearest } from './near';
import { SCORES, type Runs, type Value, type Values } from './network';
import { told, type Computed } from './result';
import { rows, said } from './scores';
import { mapsOf, sprites } from './sheet';
import { cellOf, filtersOf } from './steps';
import { peaks, strongest, type Top } from './tops';
import { watch } from './watch.svelte';

const PICTURE = /^\/api\/pictures\/([^/?]+?)(\.png|\/scores|\/edit|\/warm)?(?:\?.*)?$/;
const LAYER = /^\/api\/layers\/([^/]+)\/(maps|receptive|cell|filters|tops)(?:\?(.*))?$/;

const KEPT = 4; // pictures whose values are remembered: those of all layers are many megabytes

/** Where each channel of a layer is strongest, by picture; width is that of the layer's maps. */
interface Peaks {
  width: number;
  all: Map<string, ReturnType<typeof peaks>>;
}

export class Answers implements Source {
  readonly panels: readonly string[];
  readonly album: Album;
  samples: readonly string[] = []; // the pictures that came with the page
  #floats = new Map<string, Float32Array>();
  #clean = new Map<string, Promise<Values>>(); // by picture and layers
  #changes: Changes;
  #gradients: Gradients;
  #read: { key: string; values: Promise<Values> } = { key: '', values: Promise.resolve({}) };
  #maps = 0;
  #peaks = new Map<string, Promise<Peaks>>(); // by layer
  #changed: Pixels | null = null; // the picture as it was changed last

  constructor(
    readonly about: About,
    readonly network: Runs,
    readonly saved: (url: string) => string,
    readonly model: Uint8Array, // the network's own file, for its weights
  ) {
    this.panels = about.panels;
    this.album = new Album(about, (id) => saved(`/api/pictures/${id}.png`));
    this.#changes = new Changes(about, network);
    this.#gradients = new Gradients(about, network);
  }

  knows(url: string): boolean {
    const [, id, what] = PICTURE.exec(url) ?? [];
    const [, layer, of] = LAYER.exec(url) ?? [];
    if (of === 'receptive') return decodeURIComponent(layer) in this.about.fields;
    if (of === 'cell' || of === 'filters') return decodeURIComponent(layer) in this.about.steps;
    return what === '/scores' || (what === '.png' && this.album.url(decodeURIComponent(id)) !== null) || of === 'maps' || of === 'tops' || /^\/api\/(neighbours|among)\b/.test(url);
  }

  async get(url: string): Promise<unknown> {
    const [, id, what] = PICTURE.exec(url) ?? [];
    if (what === '/scores') return this.scores(decodeURIComponent(id));
    const [, layer, of, query] = LAYER.exec(url) ?? [];
    const asked = new URLSearchParams(query ?? url.split('?')[1]);
    if (of === 'maps') return this.#sprites(decodeURIComponent(layer), asked.get('picture')!);
    if (of === 'receptive') return this.#sees(decodeURIComponent(layer), Number(asked.get('y')), Number(asked.get('x')));
    if (of === 'filters') return filtersOf(this.about.steps[decodeURIComponent(layer)], this.model);
    if (of === 'tops') return this.#tops(decodeURIComponent(layer), Number(asked.get('channel')), Number(asked.get('k')));
    if (of === 'cell') return this.#cell(decodeURIComponent(layer), asked.get('picture')!, Number(asked.get('channel')), Number(asked.get('y')), Number(asked.get('x')));
    const [near, value] = await this.#vector(asked.get('picture')!);
    if (url.startsWith('/api/among')) return among(near, value);
    return nearest(near, value, asked.get('picture')!, Number(asked.get('k')), asked.get('metric') ?? 'l2', this.about.labels[asked.get('picture')!] ?? null);
  }

  async post(url: string, body: unknown): Promise<unknown> {
    const [, id, what] = PICTURE.exec(url) ?? [];
    if (what === '/warm') {
      setTimeout(() => this.#warm(decodeURIComponent(id)).catch(() => {})); // a drag would say what is wrong
      return { job: '' };
    }
    if (what === '/edit') return this.edit(decodeURIComponent(id), body as Change);
    throw new ApiError('This page cannot do that by itself', url, 'open the run with convsight studio RUN');
  }

  async upload(file: Blob, name: string): Promise<Picture> {
    const id = await this.album.bring(file, name).catch((error: Error) => {
      throw new ApiError(error.message, name);
    });
    return { id, label: null, predicted: null, confidence: null, loss: null, name };
  }

  floats(url: string): Float32Array | null {
    return this.#floats.get(url) ?? null;
  }

  src(url: string): string | null {
    const [, id, what] = PICTURE.exec(url) ?? [];
    if (what !== '.png') return null;
    return this.album.url(decodeURIComponent(id)) ?? (url.includes('?') ? this.saved(url.split('?')[0]) : null); // one size for all
  }

  result(wanted: ResultRequest, onStep: (step: Step) => void): Running<Result> | null {
    let stopped = false;
    const byGradient = KINDS.some(({ method, from }) => method === wanted.method && this.about.gradients.includes(from));
    if (wanted.method !== 'occlusion' && !byGradient) return null;
    const done = byGradient ? this.#gradient(wanted) : this.#occlusion(wanted, onStep, () => stopped);
    return { done, cancel: () => (stopped = true) };
  }

  /** Values of the untouched picture: the scores, and of the layers that are watched. */
  clean(id: string): Promise<Values> {
    return watch.layers.length ? this.#untouched(id) : this.#values(id, []);
  }

  /** The same, with all that a change of the picture is reckoned from. */
  #untouched(id: string): Promise<Values> {
    return this.#values(id, [...new Set([...watch.layers, ...(this.about.cut ? [this.about.cut.layer] : [])])]);
  }

  #values(id: string, layers: readonly string[]): Promise<Values> {
    const key = `${id} ${layers.join()}`;
    let found = this.#clean.get(key);
    if (!found) {
      found = this.album.pixels(id).then((pixels) => this.network.run(pixels, 1, [SCORES, ...layers]));
      if (this.#clean.size >= KEPT) this.#clean.clear();
      this.#clean.set(key, found);
    }
    return found;
  }

  get cutting(): boolean {
    return this.#changes.cutting;
  }

  /** What a first drag would wait for, with a patch in the middle. */
  async #warm(id: string): Promise<void> {
    if (!this.about.cut) return;
    const pixels = await this.album.pixels(id);
    const [h, w] = this.about.size;
    const box = { y: h >> 1, x: w >> 1, h: h >> 4, w: w >> 4 };
    const after = blended(pixels, new Float32Array(pixels.length).fill(0.5), boxed({ box }, this.about));
    await this.#changes.values(pixels, after, await this.#untouched(id), []);
  }

  async scores(id: string): Promise<Scores> {
    const found = rows((await this.clean(id)).scores.data, this.about);
    return { scores: found, said: said(found, this.about), name: this.album.name(id), label: this.about.labels[id] ?? null };
  }

  async edit(id: string, request: Change): Promise<Edited> {
    const pixels = await edited(this.album, id, request);
    const [before, clean] = [await this.album.pixels(id), await this.#untouched(id)];
    const started = performance.now();
    const values = await this.#changes.values(before, pixels, clean, watch.inView.filter((name) => name in clean));
    const milliseconds = performance.now() - started;
    this.#changed = pixels;
    watch.edited = values;
    const picture = request.keep ? this.album.keep(pixels, 'changed') : null;
    return { scores: rows(values.scores.data, this.about), clean: rows(clean.scores.data, this.about), milliseconds, picture, exact: true };
  }

  async gradients(picture: string, target: number, changed: boolean): Promise<Computed[]> {
    const scores = (await this.clean(picture)).scores.data.length;
    return this.#gradients.maps((changed && this.#changed) || (await this.album.pixels(picture)), target, scores);
  }

  async more(layers: readonly string[]): Promise<void> {
    const pixels = this.#changed;
    if (!pixels) return;
    const values = await this.network.run(pixels, 1, layers);
    if (pixels === this.#changed) watch.edited = { ...watch.edited, ...values };
  }

  async #sprites(layer: string, picture: string): Promise<unknown> {
    const values = await this.network.run(await this.album.pixels(picture), 1, [layer]);
    return sprites(mapsOf(values[layer]));
  }

  #sees(layer: string, y: number, x: number): ReceptiveBox {
    const { rows: down, columns: across } = this.about.fields[layer];
    return { y0: down[0][y], x0: across[0][x], y1: down[1][y] + 1, x1: across[1][x] + 1 };
  }

  /** The parts of the page's own pictures that drive a channel most, with what each of them sees. */
  async #tops(layer: string, channel: number, k: number): Promise<(Top & { box: ReceptiveBox })[]> {
    let found = this.#peaks.get(layer);
    if (!found) this.#peaks.set(layer, (found = this.#peaksOf(layer)));
    const { width, all } = await found;
    return strongest(all, channel, width, k).map((top) => ({ ...top, box: this.#sees(layer, top.y, top.x) }));
  }

  async #peaksOf(layer: string): Promise<Peaks> {
    const all: Peaks['all'] = new Map();
    let width = 1;
    for (const id of new Set([...this.samples, ...(this.about.near?.ids ?? [])])) {
      const maps = mapsOf((await this.network.run(await this.album.pixels(id), 1, [layer]))[layer]);
      all.set(id, peaks(maps));
      width = maps.w;
    }
    return { width, all };
  }

  async #cell(layer: string, picture: string, channel: number, y: number, x: number): Promise<Cell> {
    const step = this.about.steps[layer];
    const pixels = await this.album.pixels(picture);
    const key = `${layer} ${picture}`;
    if (this.#read.key !== key) this.#read = { key, values: this.network.run(pixels, 1, step.source === null ? [layer] : [layer, step.source]) };
    const values = await this.#read.values; // of the cell before, too, when a window moves over a map
    const given = step.source === null ? { dims: [1, this.about.channels, ...this.about.size], data: prepared(pixels, this.about) } : values[step.source];
    const made = mapsOf(values[layer], Infinity);
    return cellOf(step, this.model, given, made.data[(channel * made.h + y) * made.w + x], channel, y, x);
  }

  /** The data set's vectors, and the value of the layer that is the picture's own vector. */
  async #vector(picture: string): Promise<[Near, Value]> {
    const { features, near } = this.about;
    if (!features || !near) throw new ApiError('This page came without the data set’s vectors');
    const values = await this.network.run(await this.album.pixels(picture), 1, [features]);
    return [near, values[features]];
  }

  async #occlusion(wanted: ResultRequest, onStep: (step: Step) => void, stopped: () => boolean): Promise<Result> {
    const id = wanted.pictures![0];
    const [pixels, untouched] = [await this.album.pixels(id), await this.#untouched(id)];
    const clean = untouched.scores.data;
    const target = this.#target(wanted.target ?? null, clean);
    const runs = async (many: Pixels, n: number) => {
      const found = n === 1 ? this.#changes.values(pixels, many, untouched, []) : this.network.run(many, n, [SCORES]);
      return (await found).scores.data;
    };
    const made = await mapOf({ pixels, clean, target, knobs: wanted.knobs ?? {}, about: this.about, runs, onStep, stopped });
    if (!made) throw new Cancelled('cancelled');
    return this.#kept(made, pixels, target, clean);
  }

  async #gradient(wanted: ResultRequest): Promise<Result> {
    const id = wanted.pictures![0];
    const [pixels, clean] = [await this.album.pixels(id), (await this.clean(id)).scores.data];
    const target = this.#target(wanted.target ?? null, clean);
    const [made] = await this.#gradients.maps(pixels, target, clean.length, wanted.method);
    return this.#kept(made, pixels, target, clean);
  }

  #kept(made: Computed, pixels: Pixels, target: number, clean: Float32Array): Result {
    const key = `live-${++this.#maps}`;
    this.#floats.set(key, made.values as Float32Array<ArrayBuffer>);
    return told(made, this.about, key, pixels, this.about.classes[target], clean[target]);
  }

  #target(asked: unknown, clean: Float32Array): number {
    const best = clean.indexOf(Math.max(...clean));
    if (asked === null) return best;
    const place = typeof asked === 'number' ? asked : this.about.classes.indexOf(String(asked));
    if (place < 0 || place >= clean.length) throw new ApiError(`This page explains classes, not “${String(asked)}”`);
    return place;
  }
}

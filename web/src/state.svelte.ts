// Where is the reader? One place, written in the address: #/network?picture=test:12&layer=conv1&channel=3
// A copied link, the back button and a reload all come back to it.

export const PANELS = [
  { name: 'play', title: 'Play', question: 'What does it say, and why?' }, // in a page that computes by itself
  { name: 'network', title: 'Network', question: 'What does each layer see?' },
  { name: 'image', title: 'Image', question: 'What in this picture decides?' },
  { name: 'playground', title: 'Playground', question: 'What does a kernel do?' },
  { name: 'map', title: 'Map', question: 'How does the data set lie?' },
  { name: 'mistakes', title: 'Mistakes', question: 'Where is it wrong, and why?' },
  { name: 'training', title: 'Training', question: 'How did it learn?' },
  { name: 'check', title: 'Check', question: 'Are the pictures sound?' },
  { name: 'audit', title: 'Audit', question: 'Does it use shortcuts?' },
  { name: 'share', title: 'Share', question: 'Take it with you' },
] as const;

export type PanelName = (typeof PANELS)[number]['name'];
export type Params = Record<string, string>;

const PAUSE_MS = 250; // after the last quiet change until the address is written
const LONGEST_MS = 2000; // that an unbroken drag goes on before it is
const SHARED = ['picture', 'layer', 'target']; // what goes along from one panel to the next
const known = new Set<string>(PANELS.map((panel) => panel.name));

export function parse(hash: string): { panel: PanelName; params: Params } {
  const [path, query = ''] = hash.replace(/^#?\/?/, '').split('?', 2) as [string, string?];
  const panel = (known.has(path) ? path : 'network') as PanelName;
  return { panel, params: Object.fromEntries(new URLSearchParams(query)) };
}

export function serialise(panel: string, params: Params): string {
  const query = Object.entries(params)
    .filter(([, value]) => value !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${encodeURIComponent(name)}=${readable(value)}`);
  return `#/${panel}${query.length ? `?${query.join('&')}` : ''}`;
}

function readable(value: string): string {
  return encodeURIComponent(value).replace(/%3A/g, ':').replace(/%2C/g, ',').replace(/%2F/g, '/');
}

type Value = string | number | boolean | null | undefined;

class Place {
  panel = $state<PanelName>('network');
  params = $state<Params>({});
  #left: Partial<Record<PanelName, Params>> = {};
  #since = 0; // when the first change came that is not written yet, in ms
  #waiting: ReturnType<typeof setTimeout> | null = null;

  /** Read the address now and whenever the reader goes back or pastes a link. */
  listen(hash = location.hash): () => void {
    const read = () => {
      this.#forget();
      Object.assign(this, parse(location.hash));
    };
    const write = () => this.#waiting !== null && this.#write(true);
    Object.assign(this, parse(hash));
    addEventListener('hashchange', read);
    addEventListener('pagehide', write);
    return () => (removeEventListener('hashchange', read), removeEventListener('pagehide', write));
  }

  get(name: string): string | null {
    return this.params[name] ?? null;
  }

  number(name: string): number | null {
    const value = this.params[name];
    return value === undefined || value === '' || Number.isNaN(Number(value)) ? null : Number(value);
  }

  /** Change some parameters; null removes one. `quiet` leaves no step in the history (sliders, typing). */
  set(changes: Record<string, Value>, quiet = false): void {
    if (!quiet) this.#catchUp();
    this.params = merged(this.params, changes);
    if (quiet) this.#writeSoon();
    else this.#write(false);
  }

  /** Go to another panel as it was left, with the picture, layer and target of this one. */
  go(panel: PanelName, changes: Record<string, Value> = {}): void {
    this.#catchUp();
    this.#left[this.panel] = this.params;
    const along = Object.fromEntries(Object.entries(this.params).filter(([name]) => SHARED.includes(name)));
    this.params = merged({ ...(panel === this.panel ? this.params : this.#left[panel]), ...along }, changes);
    this.panel = panel;
    this.#write(false);
  }

  /** The address of this place, or of one that differs from it. */
  link(changes: Record<string, Value> = {}): string {
    return serialise(this.panel, merged(this.params, changes));
  }

  /** A write costs a browser several milliseconds, and many a second are refused: a drag is written when it rests. */
  #writeSoon(): void {
    const now = performance.now();
    if (this.#waiting === null) this.#since = now;
    else clearTimeout(this.#waiting);
    this.#waiting = setTimeout(() => this.#write(true), Math.max(0, Math.min(PAUSE_MS, this.#since + LONGEST_MS - now)));
  }

  /** The step that is left must say where the reader stood. */
  #catchUp(): void {
    if (this.#waiting !== null) this.#write(true);
  }

  #forget(): void {
    if (this.#waiting !== null) clearTimeout(this.#waiting);
    this.#waiting = null;
  }

  #write(quiet: boolean): void {
    this.#forget();
    const hash = serialise(this.panel, this.params);
    if (hash === location.hash) return;
    try {
      if (quiet) history.replaceState(null, '', hash);
      else history.pushState(null, '', hash);
    } catch {
      // a frame without an address of its own, as in a notebook, has no history
    }
  }
}

function merged(params: Params, changes: Record<string, Value>): Params {
  const next: Params = { ...params };
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === '') delete next[name];
    else next[name] = String(value);
  }
  return next;
}

export const place = new Place();

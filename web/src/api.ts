// How does the page ask? Every panel asks here; a frozen page answers from what was saved inside it.
import { bytesOf, type Frozen, type FrozenState, jsonOf, readFrozen, type Saved } from './frozen';
import { ApiError, Cancelled, floatsOf, request } from './request';
import type { Job, Result, ResultRequest, Scores, Started, Step } from './types';

export { ApiError, Cancelled };
export type { Frozen, FrozenState };

export interface Running<T> {
  done: Promise<T>;
  cancel: () => void;
}

const NOT_SAVED = 'This page is a saved copy';
const LIVE = 'open the run again: convsight studio RUN';

/** Answers that the page computes itself. What a source does not know is looked up among the saved answers. */
export interface Source {
  /** The panels that it can fill, by name. */
  readonly panels: readonly string[];
  knows: (url: string) => boolean;
  get: (url: string) => Promise<unknown>;
  post: (url: string, body: unknown) => Promise<unknown>;
  upload: (file: Blob, name: string) => Promise<unknown>;
  /** Null for numbers and pictures that it does not have, and for techniques that it does not compute. */
  floats: (url: string) => Float32Array | null;
  src: (url: string) => string | null;
  result: (wanted: ResultRequest, onStep: (step: Step) => void) => Running<Result> | null;
}

let source: Source | null = null;
let saved: Frozen | null = readFrozen();
const asked = new Set<string>(); // every GET whose answer a frozen copy of this page would need
const made = new Map<string, [key: string, hash: string]>(); // request → its result, and where it was seen
const kept = new Map<string, Promise<unknown>>(); // answers at URLs whose content never changes

export function isFrozen(): boolean {
  return saved !== null;
}

/** For a page whose answers come from elsewhere: the notebook, the tests. */
export function useFrozen(frozen: Frozen | null): void {
  saved = frozen;
  kept.clear();
}

/** For a page that runs its network itself. */
export function useSource(answers: Source | null): void {
  source = answers;
}

/** Whether new answers can be had: from a server, or because the page computes them itself. */
export function computes(): boolean {
  return saved === null || source !== null;
}

/** The panels of a page that computes by itself; null where a server answers or a copy was saved. */
export function ownPanels(): readonly string[] | null {
  return source?.panels ?? null;
}

export function frozenState(): FrozenState {
  if (!saved?.state) return { hash: '', made: [] };
  return JSON.parse(saved.state) as FrozenState;
}

/** What an export of this page must hold. */
export function seen(hash: string): { urls: string[]; state: string } {
  const state: FrozenState = { hash, made: [...made].map(([request, [key, at]]) => [request, key, at]) };
  return { urls: [...asked], state: JSON.stringify(state) };
}

/** Every result of this session (or of the saved copy), in the order in which they came. */
export function results(): { key: string; hash: string }[] {
  if (saved) return frozenState().made.map(([, key, hash]) => ({ key, hash: hash ?? '' }));
  return [...made.values()].map(([key, hash]) => ({ key, hash }));
}

export async function get<T>(url: string, options: { fresh?: boolean; signal?: AbortSignal } = {}): Promise<T> {
  if (source?.knows(url)) return source.get(url) as Promise<T>;
  if (saved) return jsonOf(answerOf(url)) as T;
  asked.add(url);
  if (options.fresh || options.signal || !neverChanges(url)) return (await request(url, options)).json() as Promise<T>;
  return remembered(url, async () => (await request(url)).json()) as Promise<T>;
}

export async function post<T>(url: string, body: unknown, signal?: AbortSignal): Promise<T> {
  if (source) return source.post(url, body) as Promise<T>;
  refuseWhenFrozen();
  const headers = { 'content-type': 'application/json' };
  const answer = await request(url, { method: 'POST', headers, body: JSON.stringify(body), signal });
  return answer.json() as Promise<T>;
}

/** POST whose answer is a file to keep, such as the exported page. */
export async function postForFile(url: string, body: unknown): Promise<Blob> {
  refuseWhenFrozen();
  const headers = { 'content-type': 'application/json' };
  return (await request(url, { method: 'POST', headers, body: JSON.stringify(body) })).blob();
}

export async function remove(url: string): Promise<void> {
  refuseWhenFrozen();
  await request(url, { method: 'DELETE' });
}

export async function upload<T>(url: string, file: Blob, name = 'picture.png'): Promise<T> {
  if (source) return source.upload(file, name) as Promise<T>;
  refuseWhenFrozen();
  const form = new FormData();
  form.append('file', file, name);
  return (await request(url, { method: 'POST', body: form })).json() as Promise<T>;
}

/** Little-endian float32 at an address that never changes. */
export async function floats(url: string): Promise<Float32Array> {
  const own = source?.floats(url);
  if (own) return own;
  if (saved) return floatsOf(bytesOf(answerOf(url)).buffer);
  asked.add(url);
  return remembered(url, async () => floatsOf(await (await request(url)).arrayBuffer())) as Promise<Float32Array>;
}

/** The address to put into `<img src>` or a download link: the server's, or the saved bytes themselves. */
export function src(url: string): string {
  if (!url || url.startsWith('data:') || url.startsWith('blob:')) return url;
  const own = source?.src(url);
  if (own) return own;
  if (!saved) {
    asked.add(url);
    return url;
  }
  const found = saved.responses[url];
  return found ? `data:${found.type};base64,${found.base64 ?? btoa(String(found.body ?? ''))}` : MISSING_PICTURE;
}

/** The picture's own address; `/scores` and `/edit` hang below it. */
export function pictureAt(id: string): string {
  return `/api/pictures/${encodeURIComponent(id).replace('%3A', ':')}`;
}

/** What the network answers to a picture. */
export function scoresOf(id: string): Promise<Scores> {
  return get<Scores>(`${pictureAt(id)}/scores`);
}

export function pictureUrl(id: string, side?: number): string {
  return `${pictureAt(id)}.png${side ? `?side=${side}` : ''}`;
}

/** Whether the page computes the answer or a saved copy holds it; always true while a server is there. */
export function has(url: string): boolean {
  if (source?.knows(url)) return true;
  return !saved || url in saved.responses;
}

/** Any technique's result: asked for once, its job followed step by step. */
export function result(wanted: ResultRequest, onStep: (step: Step) => void = () => {}): Running<Result> {
  const own = source?.result(wanted, onStep);
  if (own) return own;
  const name = stable(wanted);
  const ask = async (): Promise<Started> =>
    saved ? { key: savedKey(name), ready: true, job: null } : post<Started>('/api/results', wanted);
  const fetched = ({ key }: Started): Promise<Result> => {
    made.delete(name);
    made.set(name, [key, typeof location === 'undefined' ? '' : location.hash]);
    return get<Result>(`/api/results/${key}`);
  };
  return afterJob(ask, fetched, onStep);
}

/** What `ask` answers; where that is not there yet, its job is followed and `ask` is called again. */
export function answered<T extends Pending>(ask: () => Promise<T>, onStep: (step: Step) => void = () => {}): Running<T> {
  const again = async (first: T): Promise<T> => {
    const found = first.job && !saved ? await ask() : first;
    if (found.job && !saved) throw new ApiError('The answer is not there yet', '', 'try again in a moment');
    return found;
  };
  return afterJob(ask, again, onStep);
}

/** An answer of the server that may name the job which is still at work on it. */
interface Pending {
  job?: string | null;
}

function afterJob<A extends Pending, T>(
  ask: () => Promise<A>,
  then: (first: A) => Promise<T>,
  onStep: (step: Step) => void,
): Running<T> {
  let stop: () => void = () => {};
  let stopped = false;
  const follow = async (): Promise<T> => {
    const first = await ask();
    if (stopped) throw new Cancelled('cancelled');
    if (first.job && !saved) {
      const running = job(first.job, onStep);
      stop = running.cancel;
      await running.done;
    }
    return then(first);
  };
  const cancel = () => {
    stopped = true;
    stop();
  };
  return { done: follow(), cancel };
}

/** Follow a job to its end over server-sent events; `cancel` tells the server to stop it. */
export function job(
  id: string,
  onStep: (step: Step) => void = () => {},
  onEpoch: (line: Record<string, unknown>) => void = () => {},
): Running<Job> {
  const url = `/api/jobs/${id}`;
  const events = new EventSource(`${url}/events`);
  let reject: (why: Error) => void = () => {};
  const done = new Promise<Job>((resolve, refuse) => {
    reject = refuse;
    const settle = async () => {
      const job = await get<Job>(url, { fresh: true });
      if (job.status === 'done') return resolve(job);
      if (job.status === 'cancelled') return refuse(new Cancelled('cancelled'));
      if (job.status === 'failed') return refuse(new ApiError(job.error?.error ?? 'The computation failed', job.error?.given, job.error?.works));
      setTimeout(settle, 500); // the stream broke while the job goes on: ask until it ends
    };
    const ended = () => {
      events.close();
      settle().catch(refuse);
    };
    events.addEventListener('step', (event) => onStep(JSON.parse(event.data)));
    events.addEventListener('epoch', (event) => onEpoch(JSON.parse(event.data)));
    for (const last of ['done', 'failed', 'cancelled']) events.addEventListener(last, ended);
    events.onerror = ended;
  });
  const cancel = () => {
    events.close();
    reject(new Cancelled('cancelled'));
    remove(url).catch(() => {}); // it may have ended by itself
  };
  return { done, cancel };
}

/** The same words for the same request, whatever the order of its fields; what is empty is as if left out. */
export function stable(value: unknown): string {
  return JSON.stringify(value, (_, v) =>
    v && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).filter(([, x]) => !empty(x)).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  );
}

function empty(value: unknown): boolean {
  return value == null || (typeof value === 'object' && !Object.keys(value).length);
}

function remembered(url: string, ask: () => Promise<unknown>): Promise<unknown> {
  let answer = kept.get(url);
  if (!answer) {
    answer = ask();
    kept.set(url, answer);
    answer.catch(() => kept.delete(url));
  }
  return answer;
}

function neverChanges(url: string): boolean {
  return /^\/api\/(results|layers|session)\b/.test(url) || /^\/api\/pictures\/[^?/]+\/scores/.test(url);
}

function refuseWhenFrozen(): void {
  if (saved) throw new ApiError(NOT_SAVED, '', LIVE);
}

function savedKey(name: string): string {
  const found = frozenState().made.find(([request]) => stable(JSON.parse(request)) === name);
  if (!found) throw new ApiError(`${NOT_SAVED}; this was not computed before it was saved`, '', LIVE);
  return found[1];
}

function answerOf(url: string): Saved {
  const found = saved?.responses[url];
  if (!found) throw new ApiError(`${NOT_SAVED} without this part`, '', LIVE);
  return found;
}

const MISSING_PICTURE =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='32' height='32'%3E%3Cpath d='M4 4h24v24H4z M4 4l24 24' fill='none' stroke='gray'/%3E%3C/svg%3E";

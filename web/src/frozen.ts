// What does a saved copy of the page hold, and how is it read?

export interface Saved {
  type: string;
  body?: unknown;
  base64?: string;
}

/** What `<script id="frozen">` holds: the answers by URL, and the key of each result that was asked for. */
export interface Frozen {
  state: string;
  responses: Record<string, Saved>;
}

export interface FrozenState {
  hash: string;
  /** Each request as JSON, the key of its result, and the address at which it was seen, if it was. */
  made: [request: string, key: string, hash?: string][];
}

export function readFrozen(): Frozen | null {
  const tag = typeof document === 'undefined' ? null : document.getElementById('frozen');
  return tag?.textContent ? (JSON.parse(tag.textContent) as Frozen) : null;
}

export function jsonOf(answer: Saved): unknown {
  return typeof answer.body === 'string' ? JSON.parse(answer.body) : answer.body;
}

export function bytesOf(answer: Saved): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(answer.base64 ?? ''), (letter) => letter.charCodeAt(0));
}

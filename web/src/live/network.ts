// How does the network run in the page itself? ONNX Runtime's WebAssembly on bytes that the page holds, in one thread.
import * as ort from 'onnxruntime-web/wasm';

import { part, smallest, widened } from './onnx';

export interface Value {
  dims: readonly number[];
  data: Float32Array;
}

/** The values of one pass by name: `scores`, and the layers that were asked for. */
export type Values = Record<string, Value>;

/** A part of the network: of what is given, the named values. */
export interface Part {
  pass: (given: Values, wanted: readonly string[]) => Promise<Values>;
  close: () => void;
}

export interface Runs {
  /** Pictures n·c·h·w in [0, 1] → the named values. Passes wait for one another. */
  run: (pixels: Float32Array, n: number, wanted: readonly string[]) => Promise<Values>;
  /** What lies between some values and others, as a network of its own; throws where more is needed. */
  between: (given: readonly string[], wanted: readonly string[]) => Promise<Part>;
}

export const PICTURES = 'pixels';
export const SCORES = 'scores';

/** Compile the runtime; the browser does so beside this thread, which can unpack the network meanwhile. */
export async function begin(wasm: Uint8Array<ArrayBuffer>): Promise<void> {
  ort.env.wasm.wasmBinary = wasm.buffer;
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.proxy = false;
  ort.env.logLevel = 'error';
  await (await session(smallest())).release(); // the runtime starts with its first session
}

function session(bytes: Uint8Array): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(bytes, { executionProviders: ['wasm'], graphOptimizationLevel: 'all' });
}

/** `layers` are the values that passes may be asked for; what else the file can make is loaded by `between`. */
export async function open(runtime: Promise<void>, file: Uint8Array, shape: readonly [number, number, number], layers: readonly string[]): Promise<Runs> {
  const model = widened(file);
  await runtime;
  // A layer that is an output keeps the runtime from merging it with the next one: what asks for scores alone runs without.
  let whole: Promise<ort.InferenceSession> | undefined;
  const all = () => (whole ??= session(part(model, [PICTURES], [SCORES, ...layers])));
  const scores = await Promise.resolve().then(() => session(part(model, [PICTURES], [SCORES]))).catch(all); // prettier-ignore
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = last.then(work);
    last = mine.catch(() => {});
    return mine;
  };
  return {
    run: (pixels, n, wanted) =>
      inTurn(async () => {
        const alone = wanted.length === 1 && wanted[0] === SCORES;
        return passed(alone ? scores : await all(), { [PICTURES]: { dims: [n, ...shape], data: pixels } }, wanted);
      }),
    between: async (given, wanted) => {
      const made = await inTurn(() => session(part(model, given, wanted)));
      return { pass: (values, some) => inTurn(() => passed(made, values, some)), close: () => void inTurn(() => made.release()) };
    },
  };
}

async function passed(session: ort.InferenceSession, given: Values, wanted: readonly string[]): Promise<Values> {
  const feeds = Object.fromEntries(Object.entries(given).map(([name, { data, dims }]) => [name, new ort.Tensor('float32', data, dims)]));
  const found = await session.run(feeds, [...wanted]);
  return Object.fromEntries(wanted.map((name) => [name, { dims: found[name].dims, data: found[name].data as Float32Array }]));
}

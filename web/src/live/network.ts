// How does the network run in the page itself? ONNX Runtime's WebAssembly on bytes that the page holds, in one thread.
import * as ort from 'onnxruntime-web/wasm';

export interface Value {
  dims: readonly number[];
  data: Float32Array;
}

/** The values of one pass by name: `scores`, and the layers that were asked for. */
export type Values = Record<string, Value>;

export interface Runs {
  readonly outputs: readonly string[];
  /** Pictures n·c·h·w in [0, 1] → the named values. Passes wait for one another. */
  run: (pixels: Float32Array, n: number, wanted: readonly string[]) => Promise<Values>;
}

export async function open(wasm: Uint8Array<ArrayBuffer>, model: Uint8Array, shape: readonly [number, number, number]): Promise<Runs> {
  ort.env.wasm.wasmBinary = wasm.buffer;
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.proxy = false;
  ort.env.logLevel = 'error';
  const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'], graphOptimizationLevel: 'all' });
  let last: Promise<unknown> = Promise.resolve();
  const pass = async (pixels: Float32Array, n: number, wanted: readonly string[]): Promise<Values> => {
    const found = await session.run({ pixels: new ort.Tensor('float32', pixels, [n, ...shape]) }, [...wanted]);
    return Object.fromEntries(wanted.map((name) => [name, { dims: found[name].dims, data: found[name].data as Float32Array }]));
  };
  return {
    outputs: session.outputNames,
    run: (pixels, n, wanted) => {
      const mine = last.then(() => pass(pixels, n, wanted));
      last = mine.catch(() => {});
      return mine;
    },
  };
}

// How is the page built? `app` for the server (lazy chunks), `frozen` and `live` as one HTML file that needs nothing else.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

import { svelte } from '@sveltejs/vite-plugin-svelte';
import { viteSingleFile } from 'vite-plugin-singlefile';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const STATIC = '../src/convsight/studio/static';
const SERVER = process.env.STUDIO ?? 'http://127.0.0.1:8801'; // `convsight studio RUN --port 8801` while developing
const PAGES: Record<string, string> = { frozen: 'frozen.html', live: 'live.html' };
const RUNTIME = 'node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm';

/** The runtime that a live page carries, packed beside it: Python puts both together with a network. */
function runtime(): Plugin {
  return {
    name: 'convsight-runtime',
    enforce: 'pre',
    transform(code, id) {
      // The bytes are handed over; without this Vite would copy them into the page once more for each mention.
      if (id.includes('onnxruntime-web')) return code.replaceAll('new URL("ort-wasm-simd-threaded.wasm",import.meta.url).href', '"runtime.wasm"');
    },
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'runtime.wasm.gz', source: gzipSync(readFileSync(RUNTIME), { level: 9 }) });
    },
  };
}

export default defineConfig(({ mode }) => {
  const page = PAGES[mode];
  return {
    base: './',
    plugins: [svelte(), ...(page ? [viteSingleFile({ removeViteModuleLoader: true })] : []), ...(mode === 'live' ? [runtime()] : [])],
    resolve: process.env.VITEST ? { conditions: ['browser'] } : {},
    server: { proxy: { '/api': { target: SERVER, changeOrigin: true, headers: { origin: SERVER } } } },
    build: {
      outDir: STATIC,
      emptyOutDir: !page,
      target: 'es2022',
      sourcemap: false,
      rollupOptions: { input: page ?? 'index.html' },
    },
    test: { environment: 'node', include: ['src/**/*.test.ts'] },
  };
});

// How is the page built? `app` for the server (lazy chunks), `frozen` as one HTML file that needs nothing else.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { viteSingleFile } from 'vite-plugin-singlefile';
import { defineConfig } from 'vitest/config';

const STATIC = '../src/convsight/studio/static';
const SERVER = process.env.STUDIO ?? 'http://127.0.0.1:8801'; // `convsight studio RUN --port 8801` while developing

export default defineConfig(({ mode }) => {
  const frozen = mode === 'frozen';
  return {
    base: './',
    plugins: [svelte(), ...(frozen ? [viteSingleFile({ removeViteModuleLoader: true })] : [])],
    resolve: process.env.VITEST ? { conditions: ['browser'] } : {},
    server: { proxy: { '/api': { target: SERVER, changeOrigin: true, headers: { origin: SERVER } } } },
    build: {
      outDir: STATIC,
      emptyOutDir: !frozen,
      target: 'es2022',
      sourcemap: false,
      rollupOptions: { input: frozen ? 'frozen.html' : 'index.html' },
    },
    test: { environment: 'node', include: ['src/**/*.test.ts'] },
  };
});

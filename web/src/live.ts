// Where does a page start that runs its network itself? It unpacks, then the studio's own page opens over its answers.
import { mount } from 'svelte';

import App from './App.svelte';
import { get, src, useSource } from './api';
import { readAbout } from './live/about';
import { Answers } from './live/answers';
import { begin, open } from './live/network';
import { watch } from './live/watch.svelte';
import { bytesOf, gunzipped } from './live/unpack';
import { useLayers } from './panels/play/clean';
import type { Session } from './types';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';

const words = document.getElementById('loading')!;

const QUICK_MACS = 5e7; // of a pass: the gradient of a network with fewer follows a drag

/** Let the browser draw the words before the next long step. */
function say(what: string): Promise<void> {
  words.textContent = what;
  return new Promise((resume) => setTimeout(resume));
}

async function start(): Promise<void> {
  await say('Unpacking the runtime…');
  const runtime = begin(await gunzipped(bytesOf('runtime')));
  runtime.catch(() => {}); // told below, where it is waited for
  await say('Unpacking the network…');
  const model = await gunzipped(bytesOf('network'));
  const about = readAbout();
  await say('Starting the network…');
  const network = await open(runtime, model, [about.channels, ...about.size], about.layers);
  const answers = new Answers(about, network, src, model);
  useSource(answers);
  watch.gradients = !about.gradients.length ? 'none' : about.macs > QUICK_MACS ? 'slow' : 'quick';
  Object.assign(watch, { near: about.near !== null, stamps: about.stamps, unstamped: about.unstamped });
  answers.samples = (await get<Session>('/api/session')).samples;
  await answers.scores(answers.samples[0]); // the first pass is slower than the others, and shows that it works
  useLayers(answers);
  document.getElementById('starting')!.remove();
  mount(App, { target: document.getElementById('app')! });
  Object.assign(globalThis, { convsight: { about, answers, network, watch } }); // for the console, and for tests
  document.documentElement.dataset.ready = performance.now().toFixed(0);
  warm(async () => network.run(await answers.album.pixels(answers.samples[0]), 1, ['scores']));
}

const WARM_MS = 150; // of passes in idle moments

/** The browser translates the runtime quickly at first, and what runs often once more, well. */
function warm(pass: () => Promise<unknown>): void {
  const idle = globalThis.requestIdleCallback ?? ((work: () => void) => setTimeout(work, 20));
  let spent = 0;
  const step = async () => {
    const started = performance.now();
    await pass().catch(() => (spent = WARM_MS)); // whoever asks for an answer is told what is wrong
    spent += performance.now() - started;
    if (spent < WARM_MS) idle(step);
  };
  idle(step);
}

start().catch((error: unknown) => {
  const why = error instanceof Error ? error.message : String(error);
  words.textContent = `The network cannot run in this browser: ${why} A current Chrome, Edge, Firefox or Safari can.`;
  words.setAttribute('role', 'alert');
});

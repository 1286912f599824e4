// How far is the training that runs? Followed over its events; leaving the page does not stop it.
import { get, job, remove } from '../../api';
import { stepWords } from '../../parts/format';
import { Following } from '../../parts/jobs.svelte';
import type { Job } from '../../types';
import { extended, type Row } from './log';
import type { Tick } from './types';

const STARTING = 'Getting ready: a process of its own is started';

export class Watched {
  run = $state<string | null>(null);
  log = $state.raw<Row[]>([]);
  tick = $state.raw<Tick | null>(null);
  stopping = $state(false);
  #training = new Following<Job>();
  #unstopped = $state<unknown>(null);
  #job = '';

  get running(): boolean {
    return this.#training.busy;
  }
  get fraction(): number {
    return this.#training.step?.fraction ?? 0;
  }
  get message(): string {
    return stepWords(this.#training.step, STARTING);
  }
  get error(): unknown {
    return this.#unstopped ?? this.#training.error;
  }

  async follow(id: string, run: string, log: readonly Row[], ended: () => void): Promise<void> {
    Object.assign(this, { run, log: [...log], tick: null, stopping: false });
    this.#unstopped = null;
    this.#job = id;
    const row = (row: Row) => id === this.#job && (this.log = extended(this.log, row));
    const over = await this.#training.follow((onStep) =>
      job(
        id,
        (step) => {
          onStep(step);
          if (step.training && id === this.#job) this.tick = step.training as Tick;
        },
        row,
      ),
    );
    if (!over) return;
    this.stopping = false;
    ended();
  }

  /** It ends after its step, and saves: "cancelled" arrives when that is done. */
  stop = async (): Promise<void> => {
    this.stopping = true;
    try {
      await remove(`/api/jobs/${this.#job}`);
    } catch (reason) {
      const now = await get<Job>(`/api/jobs/${this.#job}`, { fresh: true }).catch(() => null);
      if (now?.status === 'running') [this.#unstopped, this.stopping] = [reason, false];
    }
  };

  leave = (): void => {
    this.#job = '';
    this.#training.leave();
  };
}

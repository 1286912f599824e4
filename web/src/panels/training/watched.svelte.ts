// How far is the training that runs? Followed over its events; leaving the page does not stop it.
import { Cancelled, get, job, remove } from '../../api';
import type { Job } from '../../types';
import { extended, type Row } from './log';
import type { Tick } from './types';

export class Watched {
  run = $state<string | null>(null);
  log = $state.raw<Row[]>([]);
  step = $state.raw<Tick | null>(null);
  fraction = $state(0);
  message = $state('');
  running = $state(false);
  stopping = $state(false);
  error = $state<unknown>(null);
  #job = '';
  #mine = 0; // a follower that is told of another training keeps quiet

  follow(id: string, run: string, log: readonly Row[], ended: () => void): void {
    const mine = ++this.#mine;
    Object.assign(this, { run, log: [...log], step: null, fraction: 0, message: 'Getting ready: a process of its own is started', running: true });
    Object.assign(this, { stopping: false, error: null });
    this.#job = id;
    const { done } = job(
      id,
      (step) => {
        if (mine !== this.#mine) return;
        [this.fraction, this.message] = [step.fraction ?? 0, step.message ?? ''];
        this.step = (step.training as Tick | undefined) ?? this.step;
      },
      (row) => mine === this.#mine && (this.log = extended(this.log, row)),
    );
    done
      .catch((reason) => mine === this.#mine && !(reason instanceof Cancelled) && (this.error = reason))
      .finally(() => {
        if (mine !== this.#mine) return;
        this.running = this.stopping = false;
        ended();
      });
  }

  /** It ends after its step, and saves: "cancelled" is told when that is done. */
  stop = async (): Promise<void> => {
    this.stopping = true;
    try {
      await remove(`/api/jobs/${this.#job}`);
    } catch (reason) {
      const now = await get<Job>(`/api/jobs/${this.#job}`, { fresh: true }).catch(() => null);
      if (now?.status === 'running') [this.error, this.stopping] = [reason, false];
    }
  };

  leave = (): void => {
    this.#mine++;
  };
}

// What is being computed for the page right now? One answer that is waited for: loading, steps, error, cancel.
import { Cancelled, result, type Running } from '../api';
import type { Result, ResultRequest, Step } from '../types';

type Start<T> = (onStep: (step: Step) => void) => Running<T>;

/** Holds one answer. The old one stays until the new one is there. */
export class Following<T> {
  value = $state.raw<T | null>(null);
  step = $state.raw<Step | null>(null);
  error = $state.raw<unknown>(null);
  busy = $state(false);
  #running: Running<T> | null = null;

  /** Starts a computation and waits for it instead of an earlier one. False if a later one took its place before it ended. */
  async follow(start: Start<T>): Promise<boolean> {
    this.leave();
    this.error = null;
    this.busy = true;
    const running = start((step) => {
      if (running === this.#running) this.step = step;
    });
    this.#running = running;
    const [value, error] = await running.done.then(
      (found) => [found, null],
      (reason) => [this.value, reason instanceof Cancelled ? null : reason],
    );
    if (running !== this.#running) return false;
    this.leave();
    [this.value, this.error] = [value, error];
    return true;
  }

  /** Waits no longer, and stops the computation. */
  cancel = (): void => {
    const running = this.#running;
    this.leave();
    running?.cancel();
  };

  /** Waits no longer; the computation goes on, as others may want it. */
  leave = (): void => {
    this.#running = this.step = null;
    this.busy = false;
  };

  clear(): void {
    this.cancel();
    this.value = this.error = null;
  }
}

/** Holds one technique's result; a new `ask` cancels the one before it. */
export class Asked extends Following<Result> {
  #last: ResultRequest | null = null;

  ask(wanted: ResultRequest): void {
    this.cancel();
    this.#last = wanted;
    void this.follow((onStep) => result(wanted, onStep));
  }

  again = (): void => {
    if (this.#last) this.ask(this.#last);
  };
}

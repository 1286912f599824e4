// What is being computed for the page right now? A result that follows its request: loading, steps, error, cancel.
import { Cancelled, result, type Running } from '../api';
import type { Result, ResultRequest, Step } from '../types';

/** Holds one result; a new `ask` cancels the one before it. The old result stays until the new one is there. */
export class Asked {
  value = $state.raw<Result | null>(null);
  step = $state.raw<Step | null>(null);
  error = $state.raw<unknown>(null);
  busy = $state(false);
  #running: Running<Result> | null = null;
  #last: ResultRequest | null = null;

  ask(wanted: ResultRequest): void {
    this.cancel();
    this.#last = wanted;
    this.step = this.error = null;
    this.busy = true;
    const running = result(wanted, (step) => {
      if (running === this.#running) this.step = step;
    });
    this.#running = running;
    running.done.then(
      (value) => running === this.#running && this.#end(() => (this.value = value)),
      (error) => running === this.#running && this.#end(() => (this.error = error instanceof Cancelled ? null : error)),
    );
  }

  again = (): void => {
    if (this.#last) this.ask(this.#last);
  };

  cancel = (): void => {
    const running = this.#running;
    this.#running = this.step = null;
    this.busy = false;
    running?.cancel();
  };

  clear(): void {
    this.cancel();
    this.value = this.step = this.error = null;
  }

  #end(set: () => void): void {
    this.#running = this.step = null;
    this.busy = false;
    set();
  }
}

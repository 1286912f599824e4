// How are many quick requests kept to one in flight? While one is under way only the newest of the others waits.

export interface Latest<In> {
  send: (value: In) => void;
  stop: () => void; // forget what waits, ignore what is under way
}

export function latest<In, Out>(
  ask: (value: In) => Promise<Out>,
  done: (answer: Out, value: In) => void,
  failed: (error: unknown) => void,
): Latest<In> {
  let waiting: { value: In } | null = null;
  let busy = false;
  let turn = 0;

  const run = (value: In): void => {
    busy = true;
    const mine = turn;
    ask(value)
      .then(
        (answer) => mine === turn && done(answer, value),
        (error) => mine === turn && failed(error),
      )
      .finally(() => {
        busy = false;
        const next = waiting;
        waiting = null;
        if (next) run(next.value);
      });
  };
  const send = (value: In): void => {
    if (busy) waiting = { value };
    else run(value);
  };
  const stop = (): void => {
    turn += 1;
    waiting = null;
  };
  return { send, stop };
}

// How is an answer ignored that arrives when the question has changed?

/** Hands on what `answer` brings until the returned function is called, which an `$effect` does when it runs again. */
export function untilStale<T>(
  answer: Promise<T>,
  done: (found: T) => void,
  failed: (reason: unknown) => void = () => {},
): () => void {
  let stale = false;
  answer.then(
    (found) => stale || done(found),
    (reason) => stale || failed(reason),
  );
  return () => {
    stale = true;
  };
}

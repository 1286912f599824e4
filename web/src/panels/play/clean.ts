// What are the layers' values for the untouched picture? Only a page that runs its network itself can say.
import type { Values } from '../../live/network';

let ask: (picture: string) => Promise<Values> = () => Promise.reject(new Error('This page runs no network'));

export function useClean(answers: (picture: string) => Promise<Values>): void {
  ask = answers;
}

export function clean(picture: string): Promise<Values> {
  return ask(picture);
}

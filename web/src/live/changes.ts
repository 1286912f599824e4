// What does the network answer to a picture of which a part was changed, knowing what it answers to the untouched one?
import type { About } from './about';
import type { Pixels } from './album';
import { changed, Halves } from './cut';
import { SCORES, type Runs, type Values } from './network';

export class Changes {
  #halves: Promise<Halves | null> = Promise.resolve(null);
  #layers = '';
  #agree: boolean | null = null; // whether the halves of the network gave the same scores as the whole one; null: not tried

  constructor(
    readonly about: About,
    readonly network: Runs,
  ) {}

  /** Whether changes are reckoned from the part that they change. */
  get cutting(): boolean {
    return this.#agree === true;
  }

  /** `scores` and the wanted layers of `after`. `clean` are the values of `before`, of each layer that may be wanted. */
  async values(before: Pixels, after: Pixels, clean: Values, wanted: readonly string[]): Promise<Values> {
    const area = this.#agree === false ? null : changed(before, after, this.about.size);
    const halves = area && (await this.prepared(clean));
    if (!halves) return this.network.run(after, 1, [SCORES, ...wanted]);
    if (this.#agree) return halves.run(after, clean, area!, [SCORES, ...wanted]);
    const found = await this.network.run(after, 1, [SCORES, ...wanted]);
    this.#agree = await halves.agrees(after, clean, area!, found.scores.data).catch(() => false);
    return found;
  }

  /** The halves that follow these layers. */
  prepared(clean: Values): Promise<Halves | null> {
    const layers = Object.keys(clean).filter((name) => name !== SCORES);
    if (this.#layers === layers.join()) return this.#halves;
    this.#layers = layers.join();
    void this.#halves.then((old) => old?.close());
    this.#halves = Halves.of(this.network, this.about, layers);
    return this.#halves;
  }
}

// Which techniques can explain one picture, and what does each of them ask the reader for?
import type { Method } from '../../types';

const GIVEN = new Set(['net', 'images', 'target', 'layer', 'style', 'donor']); // what this panel can hand over

/** Techniques about pictures whose every required argument can be given here. */
export function explaining(methods: Method[]): Method[] {
  return methods.filter(
    (method) =>
      'images' in method.needs && 'net' in method.needs && Object.entries(method.needs).every(([name, must]) => !must || GIVEN.has(name)),
  );
}

/** Maps first, under their own heading. */
export function grouped(methods: Method[]): { title: string; methods: Method[] }[] {
  const maps = methods.filter((method) => method.kind === 'Map');
  const others = methods.filter((method) => method.kind !== 'Map');
  return [
    { title: 'Maps over the picture', methods: maps },
    { title: 'Other views of it', methods: others },
  ].filter((group) => group.methods.length);
}

/** What a target in the URL means: a class by its name or as "#3", an output's index, or a unit such as conv1:7. */
export function targetOf(classes: string[], text: string | null): string | number | null {
  if (!text) return null;
  const unique = classes.includes(text) && classes.indexOf(text) === classes.lastIndexOf(text);
  return unique ? text : (indexOf(classes, text) ?? text);
}

/** The class's place among the outputs, if the target is one. */
export function indexOf(classes: string[], text: string | null): number | null {
  if (!text) return null;
  if (classes.includes(text)) return classes.indexOf(text);
  return /^#?\d+$/.test(text) ? Number(text.replace('#', '')) : null;
}

/** How a class stands in the URL: by its name, or as "#3" where another class before it has the same name. */
export function targetAt(classes: string[], i: number): string {
  return classes.indexOf(classes[i]) === i ? classes[i] : `#${i}`;
}

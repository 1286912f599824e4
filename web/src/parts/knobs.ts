// Which control does a knob get, and what does a typed text mean? Knobs travel in the URL as text.
import type { Knob, Method } from '../types';

export type Control = 'choice' | 'switch' | 'slider' | 'number' | 'text';

export function control(knob: Knob): Control {
  if (knob.choices.length) return 'choice';
  if (typeof knob.default === 'boolean' || /^bool\b/.test(knob.type)) return 'switch';
  if (!numeric(knob)) return 'text';
  const wide = knob.low !== null && knob.high !== null && (knob.high - knob.low) / (step(knob) || 1) > 1000;
  return knob.low !== null && knob.high !== null && !wide && !optional(knob) ? 'slider' : 'number';
}

function numeric(knob: Knob): boolean {
  return typeof knob.default === 'number' || /^(int|float)( \| None)?$/.test(knob.type);
}

export function optional(knob: Knob): boolean {
  return knob.default === null || /\bNone\b/.test(knob.type);
}

/** How far one press of an arrow key goes: whole numbers by one, others by a hundredth of the range. */
export function step(knob: Knob): number {
  if (/^int\b/.test(knob.type)) return 1;
  if (knob.low === null || knob.high === null) return 0.01;
  return 10 ** Math.floor(Math.log10((knob.high - knob.low) / 50));
}

/** The knob's value from text; undefined where the text is none (the default then stays). */
export function read(knob: Knob, text: string): unknown {
  if (text === '' || text === String(knob.default)) return knob.default;
  if (knob.choices.length) return knob.choices.find((choice) => String(choice) === text);
  if (control(knob) === 'switch') return text === 'true' ? true : text === 'false' ? false : undefined;
  if (!numeric(knob)) return text;
  const value = Number(text);
  if (!Number.isFinite(value) || (/^int\b/.test(knob.type) && !Number.isInteger(value))) return undefined;
  if (knob.low !== null && value < knob.low) return undefined;
  if (knob.high !== null && value > knob.high) return undefined;
  return value;
}

/** The knobs that differ from their defaults, as the server wants them. */
export function changed(method: Method, texts: Record<string, string>): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const knob of method.knobs) {
    const value = knob.name in texts ? read(knob, texts[knob.name]) : undefined;
    if (value !== undefined && value !== knob.default) found[knob.name] = value;
  }
  return found;
}

/** Knob texts from URL parameters such as `k.patch=8`, and back. */
export function fromParams(params: Record<string, string>, prefix = 'k.'): Record<string, string> {
  const mine = Object.entries(params).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(mine.map(([name, text]) => [name.slice(prefix.length), text]));
}

export function range(knob: Knob): string {
  const unit = knob.unit ? ` ${knob.unit}` : '';
  if (knob.low !== null && knob.high !== null) return `${knob.low} … ${knob.high}${unit}`;
  if (knob.low !== null) return `at least ${knob.low}${unit}`;
  if (knob.high !== null) return `at most ${knob.high}${unit}`;
  return knob.unit;
}

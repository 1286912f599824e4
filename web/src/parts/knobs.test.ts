// @vitest-environment happy-dom
import { flushSync, mount, unmount } from 'svelte';
import { afterEach, describe, expect, test } from 'vitest';

import type { Knob, Method } from '../types';
import KnobForm from './KnobForm.svelte';
import { changed, control, fromParams, range, read } from './knobs';

const knob = (over: Partial<Knob>): Knob => ({ name: 'patch', default: 8, type: 'int', help: 'side', unit: 'px', low: null, high: null, choices: [], ...over }); // prettier-ignore
const fill = knob({ name: 'fill', default: 'grey', type: 'str', unit: '', choices: ['grey', 'black'] });
const budget = knob({ name: 'budget', default: 1, type: 'float', low: 0.01, high: 1, unit: '' });
const positive = knob({ name: 'positive', default: true, type: 'bool', unit: '' });
const stride = knob({ name: 'stride', default: null, type: 'int | None', low: 1 });
const patch = knob({ low: 1 });

describe('which control', () => {
  test('follows the choices, the type and the range', () => {
    expect([fill, positive, budget, patch, stride].map(control)).toEqual(['choice', 'switch', 'slider', 'number', 'number']);
    expect(control(knob({ default: '', type: 'str' }))).toBe('text');
    expect(control(knob({ default: 0.1, type: 'float', low: 1e-5, high: 10 }))).toBe('slider');
  });

  test('its range is said with the unit', () => {
    expect(range(patch)).toBe('at least 1 px');
    expect(range(budget)).toBe('0.01 … 1');
  });
});

describe('a text from the address', () => {
  test('becomes the value, or nothing where it cannot', () => {
    expect(read(patch, '12')).toBe(12);
    expect(read(patch, '1.5')).toBeUndefined();
    expect(read(patch, '0')).toBeUndefined();
    expect(read(budget, '1.5')).toBeUndefined();
    expect(read(positive, 'false')).toBe(false);
    expect(read(fill, 'black')).toBe('black');
    expect(read(fill, 'pink')).toBeUndefined();
    expect(read(stride, '')).toBeNull();
  });

  test('only knobs that differ from their defaults are sent', () => {
    const method = { knobs: [patch, fill, budget, positive, stride] } as Method;
    const texts = fromParams({ 'k.patch': '12', 'k.fill': 'grey', 'k.budget': '7', 'k.stride': '2', picture: 'test:1' });
    expect(changed(method, texts)).toEqual({ patch: 12, stride: 2 });
  });
});

describe('the form', () => {
  const turned: [string, string | null][] = [];
  let form: Record<string, unknown>;

  function show(texts: Record<string, string> = {}): HTMLElement {
    const target = document.body.appendChild(document.createElement('div'));
    const method = { name: 'occlusion', knobs: [patch, fill, budget, positive, stride] } as unknown as Method;
    form = mount(KnobForm, { target, props: { method, texts, onchange: (...args) => turned.push(args) } });
    flushSync();
    return target;
  }
  afterEach(() => {
    void unmount(form);
    document.body.replaceChildren();
    turned.length = 0;
  });

  const set = (element: HTMLInputElement | HTMLSelectElement, value: string) => {
    element.value = value;
    element.dispatchEvent(new Event('change', { bubbles: true }));
  };

  test('has a labelled control for every knob of any method, with its help', () => {
    const labels = [...show().querySelectorAll('label')];
    expect(labels.map((label) => label.textContent)).toEqual(['patch', 'fill', 'budget', 'positive', 'stride']);
    for (const label of labels) {
      const field = document.getElementById(label.htmlFor)!;
      expect(document.getElementById(field.getAttribute('aria-describedby')!)!.textContent).toContain('side');
    }
  });

  test('tells what is turned, and null for the default', () => {
    const [number, slider] = [...show({ patch: '12' }).querySelectorAll<HTMLInputElement>('input')];
    expect(number.value).toBe('12');
    set(number, '16');
    set(number, '8');
    set(slider, '0.5');
    set(document.querySelector('select')!, 'black');
    expect(turned).toEqual([['patch', '16'], ['patch', null], ['budget', '0.5'], ['fill', 'black']]);
  });

  test('says when a value from the address is outside its range', () => {
    expect(show({ patch: '0' }).textContent).toContain('the default 8 is used');
  });
});

// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { parse, place, serialise } from './state.svelte';

describe('the address', () => {
  test('comes back from what it was written to, whatever a parameter holds', () => {
    const params = { picture: 'test:12', layer: 'stages.0.conv1', target: 'T-shirt/top & more=1?', 'k.fill': 'grey' };
    expect(parse(serialise('image', params))).toEqual({ panel: 'image', params });
  });

  test('is short and readable: names in order, colons and slashes as they are', () => {
    expect(serialise('network', { picture: 'test:12', layer: 'conv1', empty: '' })).toBe(
      '#/network?layer=conv1&picture=test:12',
    );
  });

  test('of an unknown panel opens the first one', () => {
    expect(parse('#/nowhere?picture=test:1')).toEqual({ panel: 'network', params: { picture: 'test:1' } });
    expect(parse('')).toEqual({ panel: 'network', params: {} });
  });
});

describe('the place', () => {
  let stop: () => void;
  beforeEach(() => {
    history.replaceState(null, '', '#/network?picture=test:3&layer=conv1&channel=7');
    stop = place.listen();
  });
  afterEach(() => stop());

  test('is read from the address', () => {
    expect(place.panel).toBe('network');
    expect(place.number('channel')).toBe(7);
    expect(place.number('layer')).toBeNull();
    expect(place.get('nothing')).toBeNull();
  });

  test('writes what changes and drops what is null', () => {
    place.set({ channel: null, y: 0 });
    expect(location.hash).toBe('#/network?layer=conv1&picture=test:3&y=0');
  });

  test('takes picture and layer along to another panel, and finds the first as it was left', () => {
    place.go('image', { method: 'saliency' });
    expect(location.hash).toBe('#/image?layer=conv1&method=saliency&picture=test:3');
    place.set({ picture: 'test:9' });
    place.go('network');
    expect(location.hash).toBe('#/network?channel=7&layer=conv1&picture=test:9');
  });

  test('leaves a step in the history, except quietly', () => {
    const before = history.length;
    place.set({ opacity: 0.5 }, true);
    expect(history.length).toBe(before);
    place.set({ channel: 8 });
    expect(history.length).toBe(before + 1);
  });

  test('writes the address when a drag rests, or goes on for long', () => {
    vi.useFakeTimers();
    place.set({ box: 'first' });
    const write = vi.spyOn(history, 'replaceState');
    for (let i = 0; i < 250; i++) place.set({ box: `${i}` }, true), vi.advanceTimersByTime(10);
    expect(place.get('box')).toBe('249');
    expect(write.mock.calls.length).toBe(1);
    vi.advanceTimersByTime(300);
    expect(location.hash).toContain('box=249');
    place.set({ box: 'left' }, true);
    place.set({ box: 'left here' }, true);
    place.go('image');
    expect(write.mock.lastCall![2]).toContain('left%20here');
    vi.useRealTimers();
    write.mockRestore();
  });

  test('follows the back button', () => {
    history.replaceState(null, '', '#/image?picture=up:ab');
    dispatchEvent(new HashChangeEvent('hashchange'));
    expect(place.panel).toBe('image');
    expect(place.get('picture')).toBe('up:ab');
  });
});

// Which picture and which layer is everything about, before the reader has chosen any?
import { place } from '../state.svelte';
import type { Layer, Session } from '../types';

export function currentPicture(session: Session): string | null {
  return place.get('picture') ?? session.samples[0] ?? null;
}

export function currentLayer(session: Session): Layer | null {
  const named = session.layers.find((layer) => layer.name === place.get('layer'));
  return named ?? session.layers.find((layer) => layer.convolution) ?? session.layers.find((layer) => layer.maps) ?? null;
}

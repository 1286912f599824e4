// How does a finger drag on an area without the browser taking it for the beginning of a scroll, a zoom or a tap?

/**
 * Tells the browser that the page handles the whole touch. `touch-action: none` alone leaves its gesture recogniser
 * running, and Chromium then loses the click of some taps that follow the drag.
 */
export function ownTouch(area: HTMLElement): () => void {
  const keep = (event: TouchEvent): void => event.preventDefault();
  area.addEventListener('touchstart', keep, { passive: false });
  return () => area.removeEventListener('touchstart', keep);
}

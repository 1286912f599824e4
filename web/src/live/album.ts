// Which pictures does the page have, and what are their pixels as the network takes them?
import { fromRgba } from '../panels/playground/kernel';
import type { About } from './about';

const KEPT = 200; // pictures brought or changed by the reader that are remembered

/** c·h·w values in [0, 1]. */
export type Pixels = Float32Array<ArrayBuffer>;

interface Own {
  url: string;
  pixels: Pixels;
  name: string;
}

export class Album {
  #own = new Map<string, Own>();
  #decoded = new Map<string, Promise<Pixels>>();
  #count = 0;

  /** `saved` gives the address of a picture that came with the page. */
  constructor(
    readonly about: About,
    readonly saved: (id: string) => string,
  ) {}

  pixels(id: string): Promise<Pixels> {
    const own = this.#own.get(id);
    if (own) return Promise.resolve(own.pixels);
    let found = this.#decoded.get(id);
    if (!found) {
      found = loaded(this.saved(id)).then((image) => this.#read(image, false));
      this.#decoded.set(id, found);
    }
    return found;
  }

  /** Where the picture is drawn from; null for one that is not the reader's own. */
  url(id: string): string | null {
    return this.#own.get(id)?.url ?? null;
  }

  name(id: string): string {
    return this.#own.get(id)?.name ?? '';
  }

  /** Any picture file, fitted as Python fits it: its short side to size ÷ crop, then the middle. */
  async bring(file: Blob, name: string): Promise<string> {
    const url = URL.createObjectURL(file);
    try {
      return this.keep(this.#read(await loaded(url), true), name);
    } finally {
      URL.revokeObjectURL(url);
    }
  }

  keep(pixels: Pixels, name: string): string {
    const id = `up:${++this.#count}`;
    this.#own.set(id, { pixels, name, url: urlOf(pixels, this.about) });
    if (this.#own.size > KEPT) this.#own.delete(this.#own.keys().next().value!);
    return id;
  }

  #read(image: HTMLImageElement, fit: boolean): Pixels {
    const [h, w] = this.about.size;
    const pen = canvas(h, w);
    const [iw, ih] = [image.naturalWidth, image.naturalHeight];
    const scale = fit ? Math.max(h / this.about.crop / ih, w / this.about.crop / iw) : Math.max(h / ih, w / iw);
    pen.imageSmoothingEnabled = scale !== 1;
    pen.imageSmoothingQuality = 'high';
    pen.fillStyle = '#fff'; // what shows through a transparent picture
    pen.fillRect(0, 0, w, h);
    pen.drawImage(image, (w - iw * scale) / 2, (h - ih * scale) / 2, iw * scale, ih * scale);
    const bytes = pen.getImageData(0, 0, w, h).data;
    if (this.about.channels === 3 || !fit) return fromRgba(bytes, h, w, this.about.channels).values as Pixels;
    return grey(bytes);
  }
}

/** 0.299 R + 0.587 G + 0.114 B, as Python's pictures become grey. */
function grey(bytes: Uint8ClampedArray): Pixels {
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) =>
    (0.299 * bytes[4 * i] + 0.587 * bytes[4 * i + 1] + 0.114 * bytes[4 * i + 2]) / 255) as Pixels; // prettier-ignore
}

/** (pixels − mean) ÷ std, which is what the first layer gets. */
export function prepared(pixels: Pixels, { mean, std, size: [h, w] }: Pick<About, 'mean' | 'std' | 'size'>): Pixels {
  return pixels.map((v, i) => (v - (mean?.[Math.floor(i / (h * w))] ?? 0)) / (std?.[Math.floor(i / (h * w))] ?? 1));
}

export function urlOf(pixels: Pixels, about: Pick<About, 'size' | 'channels'>): string {
  const [h, w] = about.size;
  const pen = canvas(h, w);
  const image = new ImageData(w, h);
  const area = h * w;
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = 255 * pixels[(about.channels === 3 ? c : 0) * area + i];
    image.data[4 * i + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
  return pen.canvas.toDataURL('image/png');
}

export function canvas(h: number, w: number): CanvasRenderingContext2D {
  const made = document.createElement('canvas');
  made.width = w;
  made.height = h;
  return made.getContext('2d', { willReadFrequently: true })!;
}

export async function loaded(url: string): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = url;
  await image.decode().catch(() => {
    throw new Error('This file is no picture that the browser can open; take a PNG, JPEG or WebP');
  });
  return image;
}

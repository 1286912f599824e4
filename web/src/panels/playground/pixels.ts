// What are the pixels of a picture the page shows? Read back from the browser's own decoding.
import { fromRgba, type Planes } from './kernel';

export async function planesOf(url: string, channels: number): Promise<Planes> {
  const image = new Image();
  image.src = url;
  await image.decode();
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d', { willReadFrequently: true, colorSpace: 'srgb' })!;
  context.drawImage(image, 0, 0);
  return fromRgba(context.getImageData(0, 0, width, height).data, height, width, channels);
}

// Which colour stands for which value? The same two scales as the drawn pictures: magma, and RdBu for signed maps.
// Magma (S. van der Walt, N. Smith 2015, CC0) is perceptually uniform; RdBu is ColorBrewer's (C. Brewer, Apache 2.0).

const MAGMA =
  'AAAEAQAFAQEGAQEIAgEJAgILAgINAwMPAwMSBAQUBQQWBgUYBgUaBwYcCAceCQcgCggiCwkkDAkmDQopDgsrEAstEQwvEg0xEw00FA42FQ44Fg87GA89GRA/GhBCHBBEHRFHHhFJIBFLIRFOIhFQJBJTJRJVJxJYKRFaKhFcLBFfLRFhLxFjMRFlMxBnNBBpNhBrOBBsOQ9uOw9wPQ9xPw9yQA90Qg91RA92RRB3RxB4SRB4ShB5TBF6ThF7TxJ7URJ8UhN8VBN9VhR9VxV+WRV+WhZ+XBZ/XRd/Xxh/YBiAYhmAZBqAZRqAZxuAaByBahyBax2BbR2Bbh6BcB+Bch+BcyCBdSGBdiGBeCKBeSKCeyOCfCOCfiSCgCWCgSWBgyaBhCaBhieBiCeBiSiBiymBjCmBjiqBkCqBkSuBkyuAlCyAliyAmC2AmS2Amy5/nC5/ni9/oC9/oTB+ozB+pTF+pjF9qDJ9qjN9qzN8rTR8rjR7sDV7sjV7szZ6tTZ6tzd5uDd5ujh4vDl4vTl3vzp3wDp2wjt1xDx1xTx0xz1zyD5zyj5yzD9xzUBxz0Bw0EFv0kJv00Nu1URt1kVs2EVs2UZr20dq3Ehp3klo30po4Exn4k1m405l5E9k5VBk51Jj6FNi6VRi6lZh61dg7Fhg7Vpf7lte711e8F9e8WBd8mJd8mRc82Vc9Gdc9Glc9Wtc9mxc9m5c93Bc93Jc+HRc+HZc+Xhd+Xld+Xtd+n1e+n9e+oFf+4Nf+4Vg+4dh/Ilh/Ipi/Ixj/I5k/JBl/ZJm/ZRn/ZZo/Zhp/Zpq/Ztr/p1s/p9t/qFu/qNv/qVx/qdy/qlz/qp0/qx2/q53/rB4/rJ6/rR7/rZ8/rd+/rl//ruB/r2C/r+E/sGF/sKH/sSI/saK/siM/sqN/syP/s2Q/s+S/tGU/tOV/tWX/teZ/tia/dqc/dye/d6g/eCh/eKj/eOl/eWn/eep/emq/eus/Oyu/O6w/PCy/PK0/PS2/Pa4/Pe5/Pm7/Pu9/P2/';
const RDBU =
  'BTBhBjJkBzRnCDZqCThtCjtwDD1zDT92DkF5D0N7EEV+EUeBEkmEE0yHFE6KFVCNF1KQGFSTGVaWGliZG1qcHFyfHV+iHmGlH2OoIGWrImesI2mtJGquJmyvJ26wKHCxKnGyK3OzLHW0Lne1L3m1MHq2Mny3M364NIC5NoG6N4O7OIW8Ooe9O4i+PIq+Poy/P47AQI/BQpHCQ5PDRpXESZfFTJnGT5vHUp3IVp/JWaHKXKPLX6XNYqfOZanPaKvQa6zRbq7ScbDTdbLUeLTVe7bWfrjXgbrYhLzZh77aisDbjcLckMTdk8belsffmMjgm8ngncvhoMzios3jpc7jp9DkqdHlrNLlrtPmsdXns9bottfouNjpu9rqvdvqwNzrwt3sxd/sx+DtyuHuzOLvz+Tv0eXw0ubw1Obx1efx1+jx2Onx2uny2+ry3evy3uvy4Ozz4e3z4+3z5O705u/05/D06fD06vH17PL17fL17/P18PT28vX28/X29fb39vf39/b29/X0+PTy+PPw+PLv+PHt+fDr+e/p+e7n+e3l+evj+urh+unf+uje+ufc++ba++XY++TW++PU/OLS/ODQ/N/P/N7N/d3L/dzJ/dvH/dnE/NfC/NW//NO8+9C5+863+8y0+sqx+siv+cas+cSp+cKn+L+k+L2h+Lue97mc97eZ97WW9rOU9rGR9q+O9ayL9aqJ9aiG9KaD86SB8qF/8Z598Jx775l57pZ37JN065Fy6o5w6Ytu6Ils5oZq5YNo5IBm435k4nti4Xhg33Ze3nNc3XBZ3G5X22tV2mhT2GVR12NP1mBN1V1M01pK0lhJ0FVIz1JGzk9FzExEy0lCyUdByERAxkE+xT49xDs8wjg6wTY5vzM4vjA2vS01uyo0uigyuCUxtyIwth8utBwtsxkssRgrrhcqqxYqqBUppRQpohMonxIonBEnmRAnlg8nkw4mkA0mjQwligslhwokhAkkgQgjfwgjfAcieQYidgUhcwQhcAMgbQIgagEfZwAf';

/** 256 colours, r g b each. */
export type Colours = Uint8Array;

const decode = (text: string): Colours => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const unsigned = decode(MAGMA);
const signed = decode(RDBU);

export function colours(isSigned: boolean): Colours {
  return isSigned ? signed : unsigned;
}

/** Where in the 256 colours a value stands: 0 … limit, or −limit … limit with 0 in the middle. */
export function shade(value: number, limit: number, isSigned: boolean): number {
  const share = value / (limit || 1);
  const place = isSigned ? (share + 1) / 2 : share;
  return Number.isNaN(place) ? 0 : Math.round(255 * Math.min(1, Math.max(0, place)));
}

/** Where a colour scale ends: the largest magnitude; 1 for a map that is zero everywhere. */
export function limitOf(values: ArrayLike<number>): number {
  let top = 0;
  for (let i = 0; i < values.length; i++) if (Math.abs(values[i]) > top) top = Math.abs(values[i]);
  return top || 1;
}

/** The part of each value that is certain: the end of its 95% interval that is nearer to zero, 0 where it holds zero. */
export function certain(values: Float32Array, half: Float32Array | null): Float32Array {
  if (!half) return values;
  return values.map((value, i) => Math.sign(value) * Math.max(0, Math.abs(value) - half[i]));
}

/** Paint one map as opaque colours, or see-through where it is near zero so that the picture stays visible. */
export function paint(values: Float32Array, limit: number, isSigned: boolean, through = false): Uint8ClampedArray<ArrayBuffer> {
  const lut = colours(isSigned);
  const pixels = new Uint8ClampedArray(4 * values.length);
  for (let i = 0; i < values.length; i++) {
    const at = 3 * shade(values[i], limit, isSigned);
    pixels[4 * i] = lut[at];
    pixels[4 * i + 1] = lut[at + 1];
    pixels[4 * i + 2] = lut[at + 2];
    pixels[4 * i + 3] = through ? 255 * Math.sqrt(Math.min(1, Math.abs(values[i]) / limit)) : 255;
  }
  return pixels;
}

/** The scale as a CSS background, for legends. */
export function gradient(isSigned: boolean): string {
  const lut = colours(isSigned);
  const stops = Array.from({ length: 17 }, (_, i) => {
    const at = 3 * Math.min(255, i * 16);
    return `rgb(${lut[at]} ${lut[at + 1]} ${lut[at + 2]})`;
  });
  return `linear-gradient(to right, ${stops.join(', ')})`;
}

/** Okabe and Ito's eight colours, told apart with any kind of colour vision; classes and curves take them in turn. */
export const CATEGORIES = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#d55e00', '#56b4e9', '#8a8a00', '#7f7f7f'];

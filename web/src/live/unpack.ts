// How do the runtime and the network come out of the page? They stand in it as gzip, seven bits a character.

/** The bytes of a script element that holds them as text; the element is emptied, so that its text is not kept in memory. */
export function bytesOf(id: string): Uint8Array<ArrayBuffer> {
  const element = document.getElementById(id);
  if (!element?.textContent) throw new Error(`This page is damaged: it holds no “${id}”. Ask for the file again.`);
  const bytes = fromSevens(element.textContent);
  element.textContent = '';
  return bytes;
}

/** Seven bits a character, the first bit of a byte first, as `convsight.studio.seven_bits` writes them. */
export function fromSevens(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.floor((text.length * 7) / 8));
  const at = (i: number) => text.charCodeAt(i) & 127;
  const whole = text.length - (text.length % 8);
  let [i, to] = [0, 0];
  for (; i < whole; i += 8, to += 7) {
    const [a, b] = [(at(i) << 21) | (at(i + 1) << 14) | (at(i + 2) << 7) | at(i + 3), (at(i + 4) << 21) | (at(i + 5) << 14) | (at(i + 6) << 7) | at(i + 7)];
    bytes[to] = a >> 20;
    bytes[to + 1] = a >> 12;
    bytes[to + 2] = a >> 4;
    bytes[to + 3] = (a << 4) | (b >> 24);
    bytes[to + 4] = b >> 16;
    bytes[to + 5] = b >> 8;
    bytes[to + 6] = b;
  }
  let [held, waiting] = [0, 0]; // bits of the last characters, and how many of them are not written yet
  for (; i < text.length; i++) {
    held = (held << 7) | at(i);
    waiting += 7;
    if (waiting >= 8) bytes[to++] = held >> (waiting -= 8);
    held &= 127;
  }
  return bytes;
}

export function decoded(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

export async function gunzipped(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  const whole = await new Response(stream).arrayBuffer().catch(() => {
    throw new Error('This page was damaged on its way. Ask for the file again, as an attachment or in an archive.');
  });
  return new Uint8Array(whole);
}

const numbers = new Float32Array(1 << 16); // which number each pattern of sixteen bits stands for, when it was asked for

/** Little-endian float16 as float32. */
export function halves(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  if (numbers[1] === 0) for (let bits = 0; bits < numbers.length; bits++) numbers[bits] = half(bits);
  const made = new Float32Array(bytes.length >> 1);
  for (let i = 0; i < made.length; i++) made[i] = numbers[bytes[2 * i] | (bytes[2 * i + 1] << 8)];
  return made;
}

function half(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

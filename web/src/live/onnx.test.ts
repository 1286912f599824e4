import { describe, expect, test } from 'vitest';

import { part, smallest } from './onnx';

const text = (bytes: Uint8Array) => [...bytes].map((byte) => String.fromCharCode(byte)).join('');

describe('a part of an ONNX file', () => {
  test('has the nodes that lead to what is wanted, with new inputs and outputs', () => {
    const again = part(smallest(), ['x'], ['y']);
    expect(text(again)).toContain('Identity');
    expect(part(again, ['x'], ['y'])).toEqual(again); // which is read again
  });

  test('needs no node for a value that is given', () => {
    expect(text(part(smallest(), ['y'], ['y']))).not.toContain('Identity');
  });

  test('is refused where something is missing', () => {
    expect(() => part(smallest(), ['z'], ['y'])).toThrow('need more than z: x');
  });
});

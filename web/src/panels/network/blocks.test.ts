import { expect, test } from 'vitest';

import type { Layer } from '../../types';
import { draw, faces, main } from './blocks';

const layer = (name: string, kind: string, shape: number[]): Layer => ({ name, kind, shape, parameters: 0, macs: 0, receptive_field: [3, 3], maps: shape.length === 3, convolution: kind === 'conv2d', told: true }); // prettier-ignore
const net = [
  layer('conv1', 'conv2d', [8, 32, 32]), layer('relu1', 'relu', [8, 32, 32]), layer('pool', 'max_pool2d', [8, 16, 16]),
  layer('conv2', 'conv2d', [64, 16, 16]), layer('mean', 'mean', [64]), layer('fc', 'linear', [10]),
]; // prettier-ignore

test('the short drawing leaves out activations and normalisation', () => {
  expect(main(net).map((each) => each.name)).toEqual(['conv1', 'pool', 'conv2', 'mean', 'fc']);
  expect(draw(net, true).blocks).toHaveLength(6);
});

test('a block is as tall as its maps and as thick as its channels', () => {
  const [conv1, pool, conv2] = draw(net, false).blocks;
  expect(conv1.tall).toBeGreaterThan(pool.tall);
  expect(pool.tall).toBe(conv2.tall);
  expect(conv2.thick).toBeGreaterThan(pool.thick);
});

test('blocks follow one another without overlap, inside the drawing', () => {
  for (const room of [300, 2000]) {
    const { blocks, width, floor } = draw(net, false, room);
    blocks.forEach((block, i) => {
      const end = block.x + block.thick + block.deep;
      expect(end).toBeLessThanOrEqual(blocks[i + 1]?.x ?? width);
      expect(floor - block.tall - 0.8 * block.deep).toBeGreaterThanOrEqual(0);
    });
  }
});

test('a face starts where its block stands', () => {
  const [block] = draw(net, false).blocks;
  expect(faces(block, 100)[0]).toBe(`M${block.x} 100v${-block.tall}h${block.thick}v${block.tall}z`);
});

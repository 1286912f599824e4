import { describe, expect, test } from 'vitest';

import type { Atlas } from '../../types';
import { bars, cloud, colourings, colours, evenest, inside, names, nearest, ramp, sampled, search, tile, type About, type Colours } from './points';

const about: About = {
  ids: ['test:10', 'test:11', 'test:110', 'test:3'],
  labels: [0, 1, 1, -1],
  predicted: [0, 0, 1, 1],
  loss: [0.01, 1, 0.1, null],
  classes: ['Sandal', 'Ankle boot'],
};

describe('positions', () => {
  test('fill the square by their longer side and keep their proportions', () => {
    const made = cloud(Float32Array.from([0, 0, 10, 5]), 2, 2);
    expect([...made.xy].map((v) => +v.toFixed(3))).toEqual([-0.96, -0.48, 0.96, 0.48]);
  });
  test('of three axes are seen along the third', () => {
    const made = cloud(Float32Array.from([0, 0, 99, 2, 2, -99]), 2, 3);
    expect([...made.xy].map((v) => +v.toFixed(2))).toEqual([-0.96, -0.96, 0.96, 0.96]);
  });
  test('that all coincide are in the middle', () => {
    expect([...cloud(Float32Array.from([3, 4, 3, 4]), 2, 2).xy]).toEqual([0, 0, 0, 0]);
  });
});

describe('colours', () => {
  test('have no legend where no picture has one class', () => {
    const painted = colours({ ...about, labels: null }, 'class');
    expect(painted.groups).toEqual([]);
    expect([...painted.of]).toEqual([0, 0, 0, 0]);
    expect(painted.palette).toHaveLength(1);
  });
  test('stand for the class, and for no label where there is none', () => {
    const { of, groups } = colours(about, 'class');
    expect([...of]).toEqual([0, 1, 1, 2]);
    expect(groups.map((g) => [g.name, g.count])).toEqual([
      ['Sandal', 1],
      ['Ankle boot', 2],
      ['no label', 1],
    ]);
  });
  test("stand for the prediction in the network's own words", () => {
    const { groups } = colours({ ...about, outputs: ['cat', 'dog', 'owl'] }, 'prediction');
    expect(groups.map((g) => [g.name, g.count])).toEqual([
      ['cat', 2],
      ['dog', 2],
      ['owl', 0],
    ]);
  });
  test('stand for right and wrong', () => {
    expect(colours(about, 'error').groups.map((g) => [g.name, g.count])).toEqual([
      ['right', 2],
      ['wrong', 1],
      ['no label', 1],
    ]);
  });
  test('stand for the loss on a logarithmic scale', () => {
    const { of, scale } = colours({ ...about, loss: [0.01, 1, 0.1, 0.01] }, 'loss');
    expect([...of]).toEqual([0, 255, 128, 0]);
    expect(scale?.map((v) => +v.toFixed(6))).toEqual([0.01, 1]);
  });
  test('are offered only where their numbers are known', () => {
    expect(colourings(about)).toEqual(['class', 'prediction', 'error', 'loss']);
    expect(colourings({ ...about, labels: null, loss: [null] })).toEqual(['prediction']);
  });
  test('of loss go from dark to light', () => {
    const steps = ramp(256);
    expect([steps.length, steps[0], steps[255]]).toEqual([256, '#00224e', '#fee838']);
    const light = (hex: string) =>
      [1, 3, 5].reduce((sum, at, i) => sum + parseInt(hex.slice(at, at + 2), 16) * [0.3, 0.6, 0.1][i], 0);
    for (let i = 1; i < 256; i++) expect(light(steps[i])).toBeGreaterThanOrEqual(light(steps[i - 1]) - 0.5);
  });
});

describe('a lasso', () => {
  const square = { n: 3, xy: Float32Array.from([0, 0, 0.5, 0.5, 0.9, -0.9]) };
  test('holds what is inside, also of a polygon that is not convex', () => {
    expect(inside(square, [-1, -1, 0.6, -1, 0.6, 0.6, -1, 0.6])).toEqual([0, 1]);
    expect(inside(square, [-1, -1, 1, -1, 1, 1, 0.4, 1, 0.4, -0.5, -1, -0.5])).toEqual([1, 2]);
    expect(inside(square, [])).toEqual([]);
  });
  test('is counted by group, most first', () => {
    const { of, groups } = colours(about, 'class');
    expect(bars([1, 2, 3], of, groups).map((b) => [b.name, b.count, +b.share.toFixed(2)])).toEqual([
      ['Ankle boot', 2, 0.67],
      ['no label', 1, 0.33],
    ]);
    expect(bars([], of, groups)).toEqual([]);
  });
  test('of many pictures shows some of them, evenly', () => {
    expect(sampled([...Array(10).keys()], 5)).toEqual([0, 2, 4, 6, 8]);
    expect(sampled([4, 2], 5)).toEqual([4, 2]);
  });
});

test('a click takes the nearest point within reach', () => {
  const points = { n: 2, xy: Float32Array.from([0, 0, 0.1, 0]) };
  expect(nearest(points, 0.08, 0, 0.05)).toBe(1);
  expect(nearest(points, 0.5, 0.5, 0.05)).toBe(-1);
});

describe('a search', () => {
  test.each([
    ['test:11', [1]],
    ['11', [1]],
    ['boot', [1, 2]],
    ['SANDAL', [0]],
    ['test:1', [0, 1, 2]],
    ['nothing', []],
    ['  ', []],
  ])('for %j finds %j', (words, found) => expect(search(about, words)).toEqual(found));
});

test('a thumbnail is found on its page', () => {
  const atlas: Atlas = { cell: [20, 28], columns: 64, pages: ['a', 'b'] };
  expect(tile(atlas, 4096 + 65)).toEqual({ page: 1, x: 28, y: 20, w: 28, h: 20 });
  expect(tile({ cell: [28, 28], columns: 10, pages: ['a'] }, 25)).toEqual({ page: 0, x: 140, y: 56, w: 28, h: 28 });
});

describe('pictures of several labels', () => {
  const several: About = {
    ids: ['p0', 'p1', 'p2', 'p3'],
    classes: ['red', 'blue', 'rare'],
    outputs: ['blue', 'red', 'rare'],
    labels: [[0, 1], [1], [], [0]],
    predicted: [[1], [1], [], [0]],
    loss: [1, 1, 1, 1],
    right: [false, false, true, false],
  };
  const wearing = (painted: Colours) => [...painted.of].map((k) => painted.groups[k].name);

  test('the one nearest to half of them is shown first', () => expect(evenest(several)).toBe(0));
  test('one label is there or not, and said or not, whatever the order of the outputs', () => {
    expect(wearing(colours(several, 'class', 1))).toEqual(['blue', 'blue', 'no blue', 'no blue']);
    expect(wearing(colours(several, 'prediction', 0))).toEqual(['red said', 'red said', 'red not said', 'red not said']);
  });
  test('missed labels are told from invented ones', () =>
    expect(wearing(colours(several, 'error', 0))).toEqual(['right', 'red said but not there', 'right', 'red missed']));
  test('a search finds every picture that has the label', () => expect(search(several, 'blue')).toEqual([0, 1]));
  test('all labels of a picture are named', () => {
    expect(names(several.labels, 0, several.classes)).toBe('blue + red');
    expect(names(several.labels, 2, several.classes)).toBe('');
  });
});

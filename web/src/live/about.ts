// What does the page know of its network, beside the session that every page of the studio starts with?

import type { Step } from './steps';

/** Which pixels the rows (or columns) of a layer's maps see: the first and the last one of each. */
export type Span = readonly [first: readonly number[], last: readonly number[]];

export interface About {
  size: readonly [height: number, width: number];
  channels: 1 | 3;
  crop: number; // the share of a resized picture that is kept
  mean: number[] | null; // what “filled with mean” shows
  std: number[] | null;
  task: string;
  classes: string[];
  each: boolean; // probabilities are a sigmoid of each score, not the softmax of all
  thresholds: number[] | null;
  one_by_one: boolean; // the network takes one picture at a time
  layers: string[]; // whose values can be asked for
  gradients: string[]; // what flows back to the pixels: outputs of the network's file
  macs: number; // multiply-adds of a pass
  fields: Record<string, { rows: Span; columns: Span }>;
  steps: Record<string, Step>; // how layers compute their numbers; others are not told
  /** Up to `layer`, a window of the picture that moves by `step` pixels gives a window of each layer's maps. */
  cut: { layer: string; step: number; strides: Record<string, number> } | null;
  labels: Record<string, string>; // of the pictures in the page
  notes: string[];
  features: string | null; // the layer whose value is a picture's vector
  near: Near | null;
  stamps: Stamp[];
  unstamped: string[]; // cues that the audit found and no stamp can show, in words
  panels: string[];
}

/** A cue that the audit found: `keep` times each pixel plus `add`. */
export interface Stamp {
  number: number;
  target: string;
  cue: string;
  keep: string; // base64 of gzip of c·h·w bytes, 255 is 1
  add: string;
  turned: number; // pictures of this page that the stamp turns into `target`, of those not called so
  of: number;
}

/** The data set's pictures as vectors, to find the nearest of. */
export interface Near {
  ids: string[];
  labels: (string | null)[];
  dims: number;
  vectors: string; // base64 of float16, n·dims
  centre: number[];
  axes: [number[], number[]]; // the plane in which the vectors differ most (PCA)
  of: string; // which pictures these are, in words
}

export function readAbout(): About {
  const element = document.getElementById('about-network');
  if (!element?.textContent) throw new Error('This page is damaged: it does not describe its network. Ask for the file again.');
  return JSON.parse(element.textContent) as About;
}

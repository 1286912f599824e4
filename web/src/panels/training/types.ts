// What does the server tell of trainings?
import type { components } from '../../gen/api';

export type RunInfo = components['schemas']['RunInfo'];
export type Recipes = components['schemas']['Recipes'];
export type TrainStarted = components['schemas']['TrainStarted'];
export type Comparison = components['schemas']['Comparison'];

/** About five times a second while a training runs. */
export interface Tick {
  loss: number | null;
  accuracy: number | null;
  images_per_second: number | null;
  seconds_left: number | null;
}

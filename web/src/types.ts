// What does the server answer with? Names for the types generated from its schemas (`npm run types`).
import type { components } from './gen/api';

type Schemas = components['schemas'];

export type Session = Schemas['Session'];
export type Layer = Schemas['LayerInfo'];
export type Method = Schemas['MethodInfo'];
export type Knob = Schemas['KnobInfo'];
export type Picture = Schemas['Picture'];
export type PicturePage = Schemas['PicturePage'];
export type Score = Schemas['Score'];
export type Edited = Schemas['Edited'];
export type EditRequest = Partial<Schemas['EditRequest']>;
export type ResultRequest = { method: string } & Partial<Schemas['ResultRequest']>;
export type Started = Schemas['Started'];
export type Result = Schemas['Result'];
export type Payload = Result['payload'];
export type MapPayload = Schemas['MapPayload'];
export type PicturesPayload = Schemas['PicturesPayload'];
export type PointsPayload = Schemas['PointsPayload'];
export type RankingPayload = Schemas['RankingPayload'];
export type CurvePayload = Schemas['CurvePayload'];
export type TablePayload = Schemas['TablePayload'];
export type VerdictPayload = Schemas['VerdictPayload'];
export type Job = Schemas['Job'];
export type Sprites = Schemas['Sprites'];
export type ReceptiveBox = Schemas['ReceptiveBox'];
export type Neighbours = Schemas['Neighbours'];
export type Confusion = Schemas['Confusion'];
export type Trust = Schemas['Trust'];
export type Light = Schemas['Light'];

/** One event of a job: `step` carries a fraction and words, perhaps a picture so far; `epoch` a line of the log. */
export interface Step {
  fraction?: number | null;
  message?: string;
  picture?: string;
  [more: string]: unknown;
}

// What does the server answer with? Names for the types generated from its schemas (`npm run types`).
import type { components } from './gen/api';

type Sent = components['schemas'];
/** An answer has every field, also those with a default. */
type Whole<T> = T extends object ? { [K in keyof T]-?: Whole<T[K]> } : T;
type Schemas = { [Name in keyof Sent]: Whole<Sent[Name]> };

export type Session = Schemas['Session'];
export type Layer = Schemas['LayerInfo'];
export type Method = Schemas['MethodInfo'];
export type Knob = Schemas['KnobInfo'];
export type Picture = Schemas['Picture'];
export type PicturePage = Schemas['PicturePage'];
export type Score = Schemas['Score'];
export type Scores = Schemas['Scores'];
export type Edited = Schemas['Edited'];
export type EditRequest = Partial<Sent['EditRequest']>;
export type ResultRequest = { method: string } & Partial<Sent['ResultRequest']>;
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
export type Cell = Schemas['Cell'];
export type CellPart = Schemas['CellPart'];
export type ReceptiveBox = Schemas['ReceptiveBox'];
export type Neighbours = Schemas['Neighbours'];
export type Confusion = Schemas['Confusion'];
export type LabelScores = Schemas['LabelScores'];
export type Audit = Schemas['Audit'];
export type Objects = Schemas['Objects'];
export type ObjectMask = Schemas['ObjectMask'];
export type ObjectPicture = Schemas['ObjectPicture'];
export type Check = Schemas['Check'];
export type Finding = Schemas['Finding'];
export type Trust = Schemas['Trust'];
export type Light = Schemas['Light'];
export type Gaps = Schemas['Gaps'];
export type Atlas = Schemas['Atlas'];
export type Box = Schemas['Box'];

/** One event of a job: how far it is, and perhaps the picture so far; `training` has the numbers of a training. */
export interface Step extends Partial<Pick<Job, 'fraction' | 'message' | 'done' | 'total' | 'unit'>> {
  picture?: string;
  [more: string]: unknown;
}

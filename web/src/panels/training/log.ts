// How do a training's log lines become the lines of a chart, and several trainings one comparison?

export type Row = Record<string, unknown>;

export interface Line {
  name: string;
  x: number[];
  y: (number | null)[];
}

export type Measure = 'loss' | 'accuracy' | 'error_px';

export const MEASURES: Record<Measure, { title: string; label: string }> = {
  loss: { title: 'Loss', label: 'loss (nats)' },
  accuracy: { title: 'Accuracy', label: 'share right' },
  error_px: { title: 'Error', label: 'pixels' },
};

/** What a log has beside the loss: accuracy, or the error in pixels. */
export function measures(log: readonly Row[]): Measure[] {
  return (Object.keys(MEASURES) as Measure[]).filter((name) => log.some((row) => typeof row[name] === 'number'));
}

/** Training and validation lines of one measure; a line without numbers is left out. */
export function lines(log: readonly Row[], measure: Measure, prefix = ''): Line[] {
  const wanted: [string, string][] = [
    [measure, 'training'],
    [`validation_${measure}`, 'validation'],
  ];
  return wanted
    .map(([key, name]) => ({ name: prefix + name, x: log.map(epoch), y: log.map((row) => number(row[key])) }))
    .filter((line) => line.y.some((v) => v !== null));
}

function epoch(row: Row, i: number): number {
  return number(row.epoch) ?? i + 1;
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** The log with one more epoch; an epoch told twice (a resumed training) replaces the first telling. */
export function extended(log: readonly Row[], row: Row): Row[] {
  const at = epoch(row, log.length);
  return [...log.filter((each, i) => epoch(each, i) < at), row];
}

/** "12 s", "3 min 20 s", "1 h 5 min". */
export function duration(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s / 60} min`;
  const minutes = Math.round((s % 3600) / 60);
  return minutes ? `${Math.floor(s / 3600)} h ${minutes} min` : `${Math.floor(s / 3600)} h`;
}

/** The best validation accuracy, or else the last training accuracy, with its epoch. */
export function best(log: readonly Row[]): { epoch: number; value: number; measure: Measure } | null {
  const measure: Measure | undefined = measures(log).find((name) => name !== 'loss');
  if (!measure) return null;
  const line = lines(log, measure).at(-1);
  if (!line) return null;
  const better = (a: number, b: number) => (measure === 'error_px' ? a < b : a > b);
  let at = -1;
  line.y.forEach((v, i) => {
    if (v !== null && (at < 0 || better(v, line.y[at] as number))) at = i;
  });
  return { epoch: line.x[at], value: line.y[at] as number, measure };
}

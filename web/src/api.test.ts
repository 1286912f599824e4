import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { answered, ApiError, Cancelled, floats, get, job, pictureUrl, post, result, results, seen, src, stable, useFrozen } from './api';

type Answer = [number, unknown];
let answers: Record<string, Answer | (() => Answer)>;
let asked: string[];

class FakeEvents extends EventTarget {
  static last: FakeEvents;
  closed = false;
  onerror: (() => void) | null = null;
  constructor(readonly url: string) {
    super();
    FakeEvents.last = this;
  }
  close(): void {
    this.closed = true;
  }
  tell(type: string, data: unknown): void {
    this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data) }));
  }
}

beforeEach(() => {
  answers = {};
  asked = [];
  useFrozen(null);
  vi.stubGlobal('EventSource', FakeEvents);
  vi.stubGlobal('fetch', async (url: string, options: RequestInit = {}) => {
    const name = `${options.method ?? 'GET'} ${url}`;
    asked.push(name);
    const found = answers[name];
    const [status, body] = typeof found === 'function' ? found() : (found ?? [404, { error: 'nothing there' }]);
    return new Response(body instanceof ArrayBuffer ? body : JSON.stringify(body), { status });
  });
});
afterEach(() => vi.unstubAllGlobals());

const turn = () => new Promise((resolve) => setTimeout(resolve));

describe('asking the server', () => {
  test('an error carries what was wrong, what was given, what would work', async () => {
    answers['POST /api/results'] = [422, { error: 'no knob', given: 'patc', works: 'patch' }];
    const error = await post('/api/results', {}).catch((reason: ApiError) => reason);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ message: 'no knob', given: 'patc', works: 'patch', status: 422 });
  });

  test('a server that is gone is said in words', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
    await expect(get('/api/session')).rejects.toThrow('The server does not answer');
  });

  test('what never changes is asked for once; a failed answer is asked for again', async () => {
    answers['GET /api/results/k1'] = [200, { key: 'k1' }];
    await get('/api/results/k1');
    await get('/api/results/k1');
    expect(asked).toEqual(['GET /api/results/k1']);
    await expect(get('/api/results/k2')).rejects.toThrow();
    answers['GET /api/results/k2'] = [200, { key: 'k2' }];
    expect(await get('/api/results/k2')).toEqual({ key: 'k2' });
  });

  test('numbers are little-endian float32', async () => {
    const bytes = new ArrayBuffer(8);
    new DataView(bytes).setFloat32(0, -1.5, true);
    new DataView(bytes).setFloat32(4, 0.25, true);
    answers['GET /api/results/k/values.f32'] = [200, bytes];
    expect([...(await floats('/api/results/k/values.f32'))]).toEqual([-1.5, 0.25]);
  });

  test('the address of a picture stays readable', () => {
    expect(pictureUrl('test:12', 64)).toBe('/api/pictures/test:12.png?side=64');
  });
});

describe('results and jobs', () => {
  test('a result that is ready is fetched at once', async () => {
    answers['POST /api/results'] = [200, { key: 'r1', ready: true, job: null }];
    answers['GET /api/results/r1'] = [200, { key: 'r1', title: 'Saliency' }];
    expect(await result({ method: 'saliency' }).done).toMatchObject({ title: 'Saliency' });
  });

  test('one that takes time tells its steps, then arrives', async () => {
    answers['POST /api/results'] = [200, { key: 'r2', ready: false, job: 'j1' }];
    answers['GET /api/jobs/j1'] = [200, { status: 'done', key: 'r2' }];
    answers['GET /api/results/r2'] = [200, { key: 'r2' }];
    const steps: unknown[] = [];
    const running = result({ method: 'occlusion' }, (step) => steps.push(step.fraction));
    await turn();
    FakeEvents.last.tell('step', { fraction: 0.25 });
    FakeEvents.last.tell('step', { fraction: 0.5 });
    FakeEvents.last.tell('done', { key: 'r2' });
    expect(await running.done).toEqual({ key: 'r2' });
    expect(steps).toEqual([0.25, 0.5]);
    expect(FakeEvents.last.closed).toBe(true);
  });

  test('an answer that is not there yet is asked for again when its job is done', async () => {
    const counts = [{ job: 'j5' }, { job: null, accuracy: 0.9 }];
    answers['GET /api/confusion?split=test'] = () => [200, counts.shift()];
    answers['GET /api/jobs/j5'] = [200, { status: 'done' }];
    const running = answered(() => get<{ job: string | null; accuracy: number }>('/api/confusion?split=test'));
    await turn();
    FakeEvents.last.tell('done', {});
    expect(await running.done).toEqual({ job: null, accuracy: 0.9 });
  });

  test('an answer that its job did not bring is an error, not a second wait', async () => {
    answers['GET /api/confusion?split=train'] = [200, { job: 'j6' }];
    answers['GET /api/jobs/j6'] = [200, { status: 'done' }];
    const running = answered(() => get<{ job: string | null }>('/api/confusion?split=train'));
    await turn();
    FakeEvents.last.tell('done', {});
    await expect(running.done).rejects.toThrow('not there yet');
  });

  test('a failed job says why', async () => {
    const error = { error: 'no such layer', given: 'conv9', works: 'conv1, conv2' };
    answers['GET /api/jobs/j2'] = [200, { status: 'failed', error }];
    const running = job('j2');
    FakeEvents.last.tell('failed', {});
    await expect(running.done).rejects.toMatchObject({ message: 'no such layer', given: 'conv9', works: 'conv1, conv2' });
  });

  test('cancelling tells the server and ends the wait', async () => {
    answers['DELETE /api/jobs/j3'] = [200, {}];
    const running = job('j3');
    running.cancel();
    await expect(running.done).rejects.toBeInstanceOf(Cancelled);
    expect(asked).toContain('DELETE /api/jobs/j3');
    expect(FakeEvents.last.closed).toBe(true);
  });

  test('a stream that breaks while the job goes on is followed by asking', async () => {
    vi.useFakeTimers();
    const states = ['running', 'done'];
    answers['GET /api/jobs/j4'] = () => [200, { status: states.shift() }];
    const running = job('j4');
    FakeEvents.last.onerror!();
    await vi.advanceTimersByTimeAsync(600);
    expect(await running.done).toEqual({ status: 'done' });
    vi.useRealTimers();
  });
});

describe('a saved page', () => {
  const request = { method: 'saliency', pictures: ['test:1'] };
  const saved = {
    state: JSON.stringify({ hash: '#/image', made: [[stable(request), 'r9']] }),
    responses: {
      '/api/results/r9': { type: 'application/json', body: { key: 'r9' } },
      '/api/pictures/test:1.png': { type: 'image/png', base64: 'QUJD' },
      '/api/results/r9/values.f32': { type: 'application/octet-stream', base64: 'AACAPw==' },
    },
  };

  test('answers from itself and fetches nothing', async () => {
    useFrozen(saved);
    expect(await result({ pictures: ['test:1'], method: 'saliency' }).done).toEqual({ key: 'r9' });
    expect(src('/api/pictures/test:1.png')).toBe('data:image/png;base64,QUJD');
    expect([...(await floats('/api/results/r9/values.f32'))]).toEqual([1]);
    expect(asked).toEqual([]);
  });

  test('finds a request however it was written, and parses what was saved as text', async () => {
    const state = JSON.stringify({ hash: '', made: [['{"pictures": ["test:1"], "knobs": {}, "method": "saliency"}', 'r9', '#/image']] });
    useFrozen({ state, responses: { '/api/results/r9': { type: 'application/json', body: '{"key":"r9"}' } } });
    expect(await result(request).done).toEqual({ key: 'r9' });
    expect(results()).toEqual([{ key: 'r9', hash: '#/image' }]);
  });

  test('says that it is saved where it has no answer', async () => {
    useFrozen(saved);
    await expect(result({ method: 'gradcam' }).done).rejects.toThrow('saved copy');
    await expect(post('/api/trust', {})).rejects.toThrow('saved copy');
    expect(src('/api/pictures/test:2.png')).toMatch(/^data:image\/svg/);
    expect(asked).toEqual([]);
  });

  test('needs every address that was asked for, and which request led to which result', async () => {
    answers['POST /api/results'] = [200, { key: 'r5', ready: true, job: null }];
    answers['GET /api/results/r5'] = [200, { key: 'r5' }];
    await result({ method: 'gradcam', layer: 'conv2' }).done;
    src('/api/results/r5/image.png');
    const { urls, state } = seen('#/image?method=gradcam');
    expect(urls).toEqual(expect.arrayContaining(['/api/results/r5', '/api/results/r5/image.png']));
    expect(JSON.parse(state)).toMatchObject({ hash: '#/image?method=gradcam' });
    expect(JSON.parse(state).made).toContainEqual(['{"layer":"conv2","method":"gradcam"}', 'r5', '']);
  });
});

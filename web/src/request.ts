// How does one request to the server go, and what is said where it fails?

/** What was wrong, what was given, what would work: the server's words, shown as they are. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly given = '',
    readonly works = '',
    readonly status = 0,
  ) {
    super(message);
  }
}

export class Cancelled extends Error {}

export async function request(url: string, options: RequestInit = {}): Promise<Response> {
  const answer = await fetch(url, options).catch((reason) => {
    if (reason?.name === 'AbortError') throw new Cancelled('cancelled');
    throw new ApiError('The server does not answer', url, 'look at the terminal where `convsight studio` runs');
  });
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

async function problemOf(answer: Response): Promise<ApiError> {
  const told = await answer.json().catch(() => ({}));
  const words = typeof told.error === 'string' ? told.error : `The server answered ${answer.status}`;
  return new ApiError(words, told.given ?? '', told.works ?? '', answer.status);
}

export function floatsOf(buffer: ArrayBuffer): Float32Array {
  const view = new DataView(buffer);
  return Float32Array.from({ length: buffer.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

// How does a network's ONNX file become one that computes a part of it? Nodes are picked; the bytes of each stay as they are.
//
// The file is a protocol buffer (github.com/onnx/onnx, onnx.proto3): a model whose field 7 is the graph.

import { halves } from './unpack';

const MODEL = { graph: 7 };
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12, value: 13 };
const NODE = { input: 1, output: 2, kind: 4 };
const TENSOR = { dims: 1, type: 2, name: 8, bytes: 9 };
const FLOAT = 1;
/** Input of a file with gradients: how much each score counts in the sum that is differentiated. */
export const TOWARD = 'scores:weights';
const HALF = '_half'; // how `convsight.exporting.half_weights` ends the names of such constants

/** A field of a message: where it starts, and where its content lies. */
interface Field {
  id: number;
  start: number;
  from: number;
  to: number;
}

/**
 * The file of what lies between `given`, values with places n·c·h·w of any size (or `TOWARD`), and `wanted`.
 *
 * Throws where `wanted` needs more than what is given.
 */
export function part(model: Uint8Array, given: readonly string[], wanted: readonly string[]): Uint8Array<ArrayBuffer> {
  const inside = graphOf(model);
  const constants = new Map(inside.filter((field) => field.id === GRAPH.initializer).map((field) => [namesIn(model, field, TENSOR.name)[0], field]));
  const needed = new Set(wanted.filter((name) => !given.includes(name)));
  const nodes: Field[] = [];
  for (const node of inside.filter((field) => field.id === GRAPH.node).reverse()) {
    const makes = namesIn(model, node, NODE.output).filter((name) => needed.delete(name));
    if (!makes.length) continue;
    nodes.push(node);
    for (const name of namesIn(model, node, NODE.input)) if (name && !given.includes(name)) needed.add(name);
  }
  const missing = [...needed].filter((name) => !constants.has(name));
  if (missing.length) throw new Error(`these values need more than ${given.join(', ')}: ${missing.join(', ')}`);
  const kept = [...nodes.reverse(), ...inside.filter((field) => field.id === GRAPH.initializer && needed.has(namesIn(model, field, TENSOR.name)[0]))];
  const others = inside.filter(({ id }) => !(Object.values(GRAPH) as number[]).includes(id));
  return withGraph(model, [
    ...[...kept, ...others].map((field) => model.subarray(field.start, field.to)),
    ...given.flatMap((name) => message(GRAPH.input, valueInfo(name, name !== TOWARD))),
    ...wanted.flatMap((name) => message(GRAPH.output, valueInfo(name, false))),
  ]);
}

/** What is written is gathered in pieces and put together once: weights are many megabytes. */
type Pieces = readonly Uint8Array[];

function withGraph(model: Uint8Array, graph: Pieces): Uint8Array<ArrayBuffer> {
  const others = fieldsOf(model, 0, model.length).filter((field) => field.id !== MODEL.graph);
  return joined([...others.map((field) => model.subarray(field.start, field.to)), ...message(MODEL.graph, graph)]);
}

/** The file with constants of float32 in place of those that are kept as float16 and cast: the runtime casts them slowly. */
export function widened(model: Uint8Array): Uint8Array<ArrayBuffer> {
  const inside = graphOf(model);
  const casts = new Map<string, Field>(); // by the name of what they cast
  for (const node of inside.filter((field) => field.id === GRAPH.node)) {
    const [read] = namesIn(model, node, NODE.input);
    if (read?.endsWith(HALF) && namesIn(model, node, NODE.kind)[0] === 'Cast') casts.set(read, node);
  }
  const gone = new Set(casts.values());
  const pieces = inside.filter((field) => !gone.has(field)).flatMap((field) => {
    const cast = field.id === GRAPH.initializer ? casts.get(namesIn(model, field, TENSOR.name)[0]) : undefined;
    return cast ? message(GRAPH.initializer, asFloat(model, field, namesIn(model, cast, NODE.output)[0])) : [model.subarray(field.start, field.to)];
  }); // prettier-ignore
  return withGraph(model, pieces);
}

function asFloat(model: Uint8Array, tensor: Field, name: string): Pieces {
  const inside = fieldsOf(model, tensor.from, tensor.to);
  const dims = inside.filter((field) => field.id === TENSOR.dims).map((field) => model.subarray(field.start, field.to));
  const bytes = inside.find((field) => field.id === TENSOR.bytes)!;
  const values = halves(model.subarray(bytes.from, bytes.to));
  return [...dims, Uint8Array.of(TENSOR.type * 8, FLOAT), ...word(TENSOR.name, name), ...message(TENSOR.bytes, [new Uint8Array(values.buffer)])];
}

/** A file of one operation that gives back what it is given. */
export function smallest(): Uint8Array<ArrayBuffer> {
  const node = [...word(NODE.input, 'x'), ...word(NODE.output, 'y'), ...word(NODE.kind, 'Identity')];
  const graph = [...message(GRAPH.node, node), ...word(2, 'one'), ...message(GRAPH.input, valueInfo('x', true)), ...message(GRAPH.output, valueInfo('y', false))];
  return joined([Uint8Array.of(8, 8), ...message(MODEL.graph, graph), ...message(8, [Uint8Array.of(16, 18)])]); // format 8, operator set 18
}

function graphOf(model: Uint8Array): Field[] {
  const graph = fieldsOf(model, 0, model.length).find((field) => field.id === MODEL.graph)!;
  return fieldsOf(model, graph.from, graph.to);
}

/** The fields of the message between two places of the file. */
function fieldsOf(bytes: Uint8Array, from: number, to: number): Field[] {
  const found: Field[] = [];
  for (let at = from; at < to; ) {
    const start = at;
    const [tag, content] = number(bytes, at);
    const kind = tag % 8;
    let [begin, end] = [content, content];
    if (kind === 0) end = number(bytes, content)[1];
    else if (kind === 2) {
      const [size, after] = number(bytes, content);
      [begin, end] = [after, after + size];
    } else end += kind === 1 ? 8 : 4;
    found.push({ id: Math.floor(tag / 8), start, from: begin, to: end });
    at = end;
  }
  return found;
}

/** A varint, and where it ends. */
function number(bytes: Uint8Array, at: number): [value: number, end: number] {
  let [value, scale] = [0, 1];
  for (; ; at++, scale *= 128) {
    value += (bytes[at] & 127) * scale;
    if (bytes[at] < 128) return [value, at + 1];
  }
}

function namesIn(bytes: Uint8Array, { from, to }: Field, id: number): string[] {
  return fieldsOf(bytes, from, to)
    .filter((field) => field.id === id)
    .map((field) => new TextDecoder().decode(bytes.subarray(field.from, field.to)));
}

/** A float value; with places its shape has four axes of any length, else the runtime finds it out. */
function valueInfo(name: string, places: boolean): Pieces {
  const axes = Array.from({ length: 4 }, () => message(1, [])).flat();
  const type = [Uint8Array.of(8, FLOAT), ...(places ? message(2, axes) : [])];
  return [...word(1, name), ...message(2, message(1, type))];
}

function word(id: number, text: string): Pieces {
  return message(id, [new TextEncoder().encode(text)]);
}

function message(id: number, content: Pieces): Pieces {
  const head: number[] = [id * 8 + 2];
  let rest = content.reduce((sum, each) => sum + each.length, 0);
  for (; rest >= 128; rest = Math.floor(rest / 128)) head.push((rest % 128) + 128);
  return [Uint8Array.from([...head, rest]), ...content];
}

function joined(parts: Pieces): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, each) => sum + each.length, 0));
  let at = 0;
  for (const each of parts) {
    whole.set(each, at);
    at += each.length;
  }
  return whole;
}

// How does a network's ONNX file become one that computes a part of it? Nodes are picked; the bytes of each stay as they are.
//
// The file is a protocol buffer (github.com/onnx/onnx, onnx.proto3): a model whose field 7 is the graph.

const MODEL = { graph: 7 };
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12, value: 13 };
const NODE = { input: 1, output: 2 };
const TENSOR = { name: 8 };

/** A field of a message: where it starts, and where its content lies. */
interface Field {
  id: number;
  start: number;
  from: number;
  to: number;
}

/**
 * The file of what lies between `given`, values with places n·c·h·w of any size, and `wanted`.
 *
 * Throws where `wanted` needs more than what is given.
 */
export function part(model: Uint8Array, given: readonly string[], wanted: readonly string[]): Uint8Array<ArrayBuffer> {
  const top = fieldsOf(model, 0, model.length);
  const graph = top.find((field) => field.id === MODEL.graph)!;
  const inside = fieldsOf(model, graph.from, graph.to);
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
  const made = joined([
    ...kept.map((field) => model.subarray(field.start, field.to)),
    ...inside.filter(({ id }) => !(Object.values(GRAPH) as number[]).includes(id)).map((field) => model.subarray(field.start, field.to)),
    ...given.map((name) => message(GRAPH.input, valueInfo(name, true))),
    ...wanted.map((name) => message(GRAPH.output, valueInfo(name, false))),
  ]);
  return joined([...top.filter((field) => field !== graph).map((field) => model.subarray(field.start, field.to)), message(MODEL.graph, made)]);
}

/** A file of one operation that gives back what it is given. */
export function smallest(): Uint8Array<ArrayBuffer> {
  const word = (id: number, name: string) => message(id, new TextEncoder().encode(name));
  const node = joined([word(NODE.input, 'x'), word(NODE.output, 'y'), word(4, 'Identity')]);
  const graph = [message(GRAPH.node, node), word(2, 'one'), message(GRAPH.input, valueInfo('x', true)), message(GRAPH.output, valueInfo('y', false))];
  return joined([Uint8Array.of(8, 8), message(MODEL.graph, joined(graph)), message(8, Uint8Array.of(16, 18))]); // format 8, operator set 18
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
function valueInfo(name: string, places: boolean): Uint8Array {
  const axes = joined(Array.from({ length: 4 }, () => message(1, new Uint8Array())));
  const type = joined([Uint8Array.of(8, 1), ...(places ? [message(2, axes)] : [])]); // element type 1: float
  return joined([message(1, new TextEncoder().encode(name)), message(2, message(1, type))]);
}

function message(id: number, content: Uint8Array): Uint8Array {
  const head: number[] = [id * 8 + 2];
  for (let rest = content.length; ; rest = Math.floor(rest / 128)) {
    head.push(rest < 128 ? rest : (rest % 128) + 128);
    if (rest < 128) return joined([Uint8Array.from(head), content]);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, each) => sum + each.length, 0));
  let at = 0;
  for (const each of parts) {
    whole.set(each, at);
    at += each.length;
  }
  return whole;
}

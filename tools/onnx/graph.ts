/**
 * An ONNX graph under construction (https://github.com/onnx/onnx/blob/v1.12.0/onnx/onnx.proto): operations by name, constants once
 * each. Field numbers are those of onnx.proto.
 */
import { Message } from './protobuf';

/** Of the standard operations; 17 is what every runtime of the last years reads. */
const OPSET = 17;
const IR_VERSION = 8;
/** Operations of ONNX Runtime that the standard lacks. */
export const MICROSOFT = 'com.microsoft';

/** TensorProto.DataType */
export const FLOAT = 1;
export const UINT8 = 2;
export const INT64 = 7;
export const BOOL = 9;

type Attribute = number | number[] | { float: number };

/** Of an input or output: numbers, or names of sizes that a caller chooses. */
export type Dimensions = readonly (number | string)[];

export class OnnxGraph {
  private readonly nodes: Message[] = [];
  private readonly constants = new Map<string, Message>();
  private readonly inputs: Message[] = [];
  private readonly outputs: Message[] = [];
  private usesMicrosoft = false;

  input(name: string, type: number, shape: Dimensions): string {
    this.inputs.push(valueInfo(name, type, shape));
    return name;
  }

  output(name: string, type: number, shape: Dimensions): void {
    this.outputs.push(valueInfo(name, type, shape));
  }

  floats(name: string, shape: readonly number[], values: Float32Array): string {
    return this.constant(name, FLOAT, shape, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  bytes(name: string, shape: readonly number[], values: Uint8Array): string {
    return this.constant(name, UINT8, shape, values);
  }

  /** A list of whole numbers, named by what it holds. */
  ints(...values: number[]): string {
    return this.whole(`ints:${values.join(',')}`, [values.length], values);
  }

  /** One whole number without a dimension. */
  int(value: number): string {
    return this.whole(`int:${value}`, [], [value]);
  }

  float(value: number): string {
    return this.floats(`float:${value}`, [], Float32Array.of(value));
  }

  /**
   * @param out name of the result; default one made from the operation and its number
   * @returns that name
   */
  op(kind: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}, out?: string): string {
    const name = out ?? `${kind}_${this.nodes.length}`;
    const node = new Message();
    for (const input of inputs) node.text(1, input);
    node.text(2, name).text(3, `node_${this.nodes.length}`).text(4, kind);
    for (const [key, value] of Object.entries(attributes)) node.message(5, attribute(key, value));
    if (kind === 'MatMulNBits') {
      node.text(7, MICROSOFT);
      this.usesMicrosoft = true;
    }
    this.nodes.push(node);
    return name;
  }

  /** The model file. */
  finish(): Uint8Array<ArrayBuffer> {
    const graph = new Message();
    for (const node of this.nodes) graph.message(1, node);
    graph.text(2, 'decoder');
    for (const constant of this.constants.values()) graph.message(5, constant);
    for (const input of this.inputs) graph.message(11, input);
    for (const output of this.outputs) graph.message(12, output);
    const model = new Message().int(1, IR_VERSION).text(2, 'polylogue').message(7, graph);
    model.message(8, new Message().text(1, '').int(2, OPSET));
    if (this.usesMicrosoft) model.message(8, new Message().text(1, MICROSOFT).int(2, 1));
    return model.finish();
  }

  private whole(name: string, shape: readonly number[], values: readonly number[]): string {
    const words = BigInt64Array.from(values, BigInt);
    return this.constant(name, INT64, shape, new Uint8Array(words.buffer));
  }

  private constant(name: string, type: number, shape: readonly number[], raw: Uint8Array): string {
    if (this.constants.has(name)) return name;
    const tensor = new Message();
    for (const size of shape) tensor.int(1, size);
    this.constants.set(name, tensor.int(2, type).text(8, name).bytes(9, raw));
    return name;
  }
}

function attribute(name: string, value: Attribute): Message {
  const message = new Message().text(1, name);
  if (Array.isArray(value)) {
    for (const one of value) message.int(8, one);
    return message.int(20, 7);
  }
  if (typeof value === 'object') return message.float(2, value.float).int(20, 1);
  return message.int(3, value).int(20, 2);
}

function valueInfo(name: string, type: number, shape: Dimensions): Message {
  const dims = new Message();
  for (const size of shape) {
    dims.message(1, typeof size === 'number' ? new Message().int(1, size) : new Message().text(2, size));
  }
  const tensor = new Message().int(1, type).message(2, dims);
  return new Message().text(1, name).message(2, new Message().message(1, tensor));
}

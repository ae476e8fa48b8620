/**
 * Messages in protocol buffers' wire format (https://protobuf.dev/programming-guides/encoding), as far as a model file needs it:
 * varints, 32-bit floats and what has a length.
 */
const VARINT = 0;
const LENGTH = 2;
const FIXED32 = 5;

/** A message that is written field by field, in the order of the calls. */
export class Message {
  private readonly parts: Uint8Array[] = [];
  private size = 0;

  /** A field of type int32 or int64. @param value a whole number; negative ones take ten bytes, as the format asks */
  int(field: number, value: number): this {
    this.add(varint((field << 3) | VARINT));
    return this.add(varint(value));
  }

  /** A field of type float, four bytes. */
  float(field: number, value: number): this {
    this.add(varint((field << 3) | FIXED32));
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.add(bytes);
  }

  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  /** The bytes are kept, not copied, until the message is finished. */
  bytes(field: number, value: Uint8Array): this {
    this.add(varint((field << 3) | LENGTH));
    this.add(varint(value.length));
    return this.add(value);
  }

  message(field: number, value: Message): this {
    this.add(varint((field << 3) | LENGTH));
    this.add(varint(value.size));
    for (const part of value.parts) this.add(part);
    return this;
  }

  finish(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.size);
    let at = 0;
    for (const part of this.parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  private add(part: Uint8Array): this {
    this.parts.push(part);
    this.size += part.length;
    return this;
  }
}

/** Seven bits a byte, the lowest first; negative numbers as their 64-bit two's complement. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

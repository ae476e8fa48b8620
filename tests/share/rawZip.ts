/** Zip files by hand, so that a test can say in them what no honest program writes. */
import { deflateRawSync } from 'node:zlib';

export interface RawEntry {
  name: string;
  data: Uint8Array;
  /** 0 = stored, 8 = deflated; another number is written as it is. */
  method?: number;
  /** What the headers say, where that is not the truth. */
  packed?: number;
  size?: number;
  offset?: number;
}

/** @param total what the end says of the number of entries */
export function rawZip(entries: readonly RawEntry[], total = entries.length): Uint8Array {
  const parts: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const { name, data, method = 8, packed, size, offset } of entries) {
    const bytes = method === 8 ? deflateRawSync(data) : Buffer.from(data);
    const path = Buffer.from(name, 'utf8');
    const sizes = [0, packed ?? bytes.length, size ?? data.length];
    // Signature, version, flags (UTF-8), method, time, date, CRC, sizes, lengths of name and extra field.
    const local = record(
      [0x04034b50, 4],
      [20, 2],
      [0x800, 2],
      [method, 2],
      [0, 4],
      ...quads(sizes),
      [path.length, 2],
      [0, 2],
    );
    central.push(
      record(
        [0x02014b50, 4],
        ...([
          [20, 2],
          [20, 2],
          [0x800, 2],
          [method, 2],
          [0, 4],
        ] as Field[]),
        ...quads(sizes),
        ...([
          [path.length, 2],
          [0, 2],
          [0, 2],
          [0, 2],
          [0, 2],
          [0, 4],
          [offset ?? at, 4],
        ] as Field[]),
      ),
      path,
    );
    parts.push(local, path, bytes);
    at += local.length + path.length + bytes.length;
  }
  const length = central.reduce((sum, part) => sum + part.length, 0);
  const end = record([0x06054b50, 4], [0, 2], [0, 2], [total, 2], [total, 2], [length, 4], [at, 4], [0, 2]);
  return new Uint8Array(Buffer.concat([...parts, ...central, end]));
}

/** A number and its bytes, little-endian. */
type Field = [value: number, bytes: 2 | 4];

const quads = (values: readonly number[]): Field[] => values.map((value) => [value, 4]);

function record(...fields: Field[]): Buffer {
  return Buffer.concat(
    fields.map(([value, bytes]) => {
      const field = Buffer.alloc(bytes);
      if (bytes === 2) field.writeUInt16LE(value & 0xffff);
      else field.writeUInt32LE(value >>> 0);
      return field;
    }),
  );
}

/**
 * What a bench writes of a device: one JSON file, made by the page or by `polylogue bench --file`. `bench/results/devices` collects them.
 * One schema reads every such file; what it does not know is refused.
 */
import * as v from 'valibot';
import { PolylogueError } from '../engine/errors';

export const DEVICE_FORMAT = 'polylogue-device-1';
/** Characters of a file that is read at all. */
const LARGEST = 1 << 20;
const MOST_MODELS = 20;
const MOST_SPEEDS = 100;

const text = v.pipe(v.string(), v.maxLength(400));
const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const count = v.pipe(whole, v.minValue(1));

const SPEED = v.strictObject({
  what: v.picklist(['decode', 'prefill', 'train']),
  rows: count,
  adapters: whole,
  tokens: count,
  seconds: positive,
  repetitions: count,
  tokensPerSecond: positive,
  gflopPerSecond: positive,
  gigabytesPerSecond: positive,
  predicted: v.optional(positive),
  bound: v.optional(v.picklist(['bandwidth', 'arithmetic'])),
  share: v.optional(positive),
});

const CEILINGS = v.strictObject({
  copyGigabytesPerSecond: positive,
  /** Bytes of the buffer that was copied. */
  copyBytes: count,
  /** f32 multiply-adds from registers; of the exact engine one core's times its threads. */
  gflopPerSecond: positive,
  /** The engine's product of 1024³; null where it is not measured. */
  productGflopPerSecond: v.nullable(positive),
});

const MEASUREMENT = v.strictObject({
  /** As people call it. */
  model: text,
  /** sha-256 of its weight files, hex; null = random weights. */
  hash: v.nullable(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))),
  /** Parameters that multiply an activation. */
  parameters: count,
  engine: v.picklist(['webgpu', 'exact', 'reference', 'torch']),
  device: text,
  /** A software driver stands in for a GPU. */
  software: v.boolean(),
  /** Threads that compute; null of a GPU. */
  threads: v.nullable(count),
  dtype: v.picklist(['f32', 'f16', 'int8', 'int4']),
  cache: v.picklist(['f32', 'f16']),
  rank: count,
  /** Seconds that each measurement was given. */
  budget: positive,
  ceilings: v.nullable(CEILINGS),
  speeds: v.pipe(v.array(SPEED), v.minLength(1), v.maxLength(MOST_SPEEDS)),
});

const FILE = v.strictObject({
  format: v.literal(DEVICE_FORMAT),
  /** Version of the program. */
  build: text,
  /** Day on which it was measured. */
  date: v.pipe(v.string(), v.isoDate()),
  /** The browser as it names itself, or Node with its version. */
  runtime: text,
  /** Cores of the processor, as the runtime says. */
  cores: count,
  measurements: v.pipe(v.array(MEASUREMENT), v.minLength(1), v.maxLength(MOST_MODELS)),
});

export type DeviceFile = v.InferOutput<typeof FILE>;
export type Measurement = v.InferOutput<typeof MEASUREMENT>;

/** A file that no bench wrote; the message names the file and the field. */
export class DeviceFileError extends PolylogueError {
  constructor(file: string, problem: string) {
    super(`${file}: ${problem}. Save the file that the Bench view or polylogue bench --file writes`);
  }
}

/** @throws DeviceFileError */
export function readDeviceFile(name: string, content: string): DeviceFile {
  if (content.length > LARGEST) throw new DeviceFileError(name, `it has more than ${LARGEST} characters`);
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    throw new DeviceFileError(name, `it is no JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  const read = v.safeParse(FILE, value);
  if (read.success) return read.output;
  const issue = read.issues[0];
  throw new DeviceFileError(name, `${v.getDotPath(issue) ?? 'the file'}: ${issue.message}`);
}

/** The text of a file. @throws DeviceFileError when a measurement is out of the schema's bounds */
export function writeDeviceFile(file: Omit<DeviceFile, 'format'>): string {
  const content = `${JSON.stringify({ format: DEVICE_FORMAT, ...file }, null, 2)}\n`;
  readDeviceFile('the result', content);
  return content;
}

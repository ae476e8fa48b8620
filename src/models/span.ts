/** One request's worth of chunks: received, cut into chunks, written; taken up again where it broke off. */
import { PolylogueError } from '../engine/errors';
import { TransferError } from './errors';
import { chunkSize, type ModelFile, type ModelManifest } from './manifest';
import { largest, smallest } from './chunks';
import { Patience } from './patience';
import { Transient, type Pacer } from './retry';
import type { Transport } from './transport';

/** A file on its way. */
export interface FileJob {
  file: ModelFile;
  /** Chunks that nobody has taken on. */
  missing: Set<number>;
  /** False once the server has answered a request for a range with the whole file. */
  ranged: boolean;
  /** Without ranges, one request at a time serves all chunks; true while it does. */
  busy: boolean;
}

export interface Span {
  job: FileJob;
  /** Chunks still to be written. */
  wanted: Set<number>;
  /** Whether ranges are asked for. */
  ranged: boolean;
}

export interface SpanContext {
  manifest: ModelManifest;
  transport: Transport;
  pacer: Pacer;
  signal: AbortSignal;
  stallMs: number;
  /** Bytes received that are new; negative when received ones have to be given up. */
  received(bytes: number): void;
  write(file: ModelFile, chunk: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
}

/**
 * An attempt that brought fewer bytes counts as one without any: a server that breaks off after every byte would be asked for
 * ever.
 */
const LEAST_PROGRESS = 1024;

/** The server does not do ranges: the span's chunks are to be fetched with all others of the file, in one request. */
export class ServerWithoutRanges extends Error {}

/**
 * Fetches the chunks in `span.wanted`, each leaving the set once it is written. It ends: every attempt brings `LEAST_PROGRESS` new
 * bytes of a file of known size, or is one of a limited number of failures in a row.
 *
 * @throws ServerWithoutRanges, what `transport.open` and `write` throw, and what `Transient` failures end in
 */
export async function fetchSpan(span: Span, context: SpanContext): Promise<void> {
  const receiver = new Receiver(span, context);
  let failures = 0;
  try {
    while (span.wanted.size > 0) {
      const before = receiver.newBytes;
      try {
        await context.pacer.ready(context.signal);
        await receiveOnce(span, receiver, context);
      } catch (error) {
        context.signal.throwIfAborted();
        if (!(error instanceof Transient)) throw error;
        failures = receiver.newBytes >= before + LEAST_PROGRESS ? 1 : failures + 1;
        await context.pacer.wait(error, failures, context.signal);
      }
    }
  } finally {
    receiver.giveUp();
  }
}

async function receiveOnce(span: Span, receiver: Receiver, context: SpanContext): Promise<void> {
  const { manifest, transport, pacer, stallMs } = context;
  const { file } = span.job;
  const name = `${manifest.repo}/${file.path}`;
  const range = { from: receiver.position(), to: spanEnd(span, manifest.chunkBytes) };
  const whole = !span.ranged || (range.from === 0 && range.to === file.size);
  // Ends the request on any way out of here: cancelled, stalled, or all that was wanted is there.
  const request = new AbortController();
  const cancel = () => request.abort(context.signal.reason);
  context.signal.addEventListener('abort', cancel, { once: true });
  let reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  const patience = new Patience(stallMs, pacer.clock, context.signal, name);
  try {
    context.signal.throwIfAborted();
    const answer = await patience.wait(transport.open(manifest, file, whole ? null : range, request.signal));
    if (!whole && answer.start !== range.from) {
      span.job.ranged = false;
      throw new ServerWithoutRanges();
    }
    reader = answer.stream.getReader();
    let offset = answer.start;
    while (span.wanted.size > 0) {
      const { done, value } = await patience.wait(reader.read().catch((cause: unknown) => brokenOff(name, cause)));
      if (done) {
        throw new Transient(
          new TransferError(name, `the transfer ended at byte ${offset} of ${whole ? file.size : range.to}`),
        );
      }
      await patience.received(value.length);
      await receiver.take(offset, value);
      offset += value.length;
    }
  } finally {
    context.signal.removeEventListener('abort', cancel);
    request.abort();
    reader?.cancel().catch(() => {});
  }
}

function brokenOff(name: string, cause: unknown): never {
  // The transport knows better what it is, and that it will not pass.
  if (cause instanceof PolylogueError) throw cause;
  throw new Transient(new TransferError(name, 'the transfer broke off', { cause }));
}

/** Puts what arrives where it belongs. Bytes of an unfinished chunk stay here between requests. */
class Receiver {
  /** Bytes that had not been received before. */
  newBytes = 0;
  private readonly chunkBytes: number;
  private readonly buffer: Uint8Array<ArrayBuffer>;
  private held: { chunk: number; filled: number } | null = null;

  constructor(
    private readonly span: Span,
    private readonly context: SpanContext,
  ) {
    this.chunkBytes = context.manifest.chunkBytes;
    this.buffer = new Uint8Array(Math.min(this.chunkBytes, span.job.file.size));
  }

  /** First byte of the file that is still needed. */
  position(): number {
    const chunk = this.held?.chunk ?? smallest(this.span.wanted);
    return chunk * this.chunkBytes + (this.held?.filled ?? 0);
  }

  /**
   * What is behind the file's end is dropped: the hash decides about what came before.
   *
   * @param offset place of the piece's first byte in the file
   */
  async take(offset: number, piece: Uint8Array): Promise<void> {
    const { file } = this.span.job;
    const end = Math.min(offset + piece.length, file.size);
    // Ends: before the file's end a chunk has at least one byte behind `at`.
    for (let at = offset; at < end;) {
      const chunk = Math.floor(at / this.chunkBytes);
      const begin = chunk * this.chunkBytes;
      const size = chunkSize(file, chunk, this.chunkBytes);
      const next = Math.min(end, begin + size);
      if (this.span.wanted.has(chunk)) {
        await this.fill(chunk, at - begin, piece.subarray(at - offset, next - offset), size);
      }
      at = next;
    }
  }

  /** What is held is lost with this receiver. */
  giveUp(): void {
    if (this.held) this.context.received(-this.held.filled);
    this.held = null;
  }

  private async fill(chunk: number, within: number, bytes: Uint8Array, size: number): Promise<void> {
    if (this.held?.chunk !== chunk) {
      this.giveUp();
      this.held = { chunk, filled: 0 };
    }
    // A request that had to begin earlier (a server without ranges) repeats bytes that are held.
    const known = this.held.filled - within;
    if (known >= bytes.length) return;
    this.buffer.set(bytes.subarray(known), this.held.filled);
    this.held.filled += bytes.length - known;
    this.newBytes += bytes.length - known;
    this.context.received(bytes.length - known);
    if (this.held.filled < size) return;
    await this.context.write(this.span.job.file, chunk, this.buffer.slice(0, size));
    this.span.wanted.delete(chunk);
    this.held = null;
  }
}

function spanEnd(span: Span, chunkBytes: number): number {
  return Math.min(span.job.file.size, (largest(span.wanted) + 1) * chunkBytes);
}

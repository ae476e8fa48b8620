/** Where a model's bytes come from while it is stored: the hub, or files that the visitor chose. */
import type { ModelFile, ModelManifest } from './manifest';

export interface ByteRange {
  /** First byte, and the one after the last. */
  from: number;
  to: number;
}

/** An answer that is on its way. */
export interface ByteStream {
  /** Place in the file of the stream's first byte: `from`, or 0 when the server does not do ranges. */
  start: number;
  stream: ReadableStream<Uint8Array>;
}

export interface Transport {
  /**
   * Asks for bytes of a file.
   *
   * @param range null asks for the whole file, as one must of a server that does not do ranges
   * @throws Transient when it may work at another time; another typed error when it will not; the signal's reason
   */
  open(manifest: ModelManifest, file: ModelFile, range: ByteRange | null, signal: AbortSignal): Promise<ByteStream>;
}

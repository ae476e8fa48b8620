/** Reading buffers back to the host, through one buffer that can be mapped. */
import { worked } from '../work';

/** Bytes of the buffer that is read through, a power of two. */
const LEAST_STAGING = 1 << 16;
const MOST_STAGING = 1 << 23;

export class ReadBack {
  /** Of all buffers that are read through. */
  bytes = 0;
  private staging: GPUBuffer | null = null;

  constructor(private readonly device: GPUDevice) {}

  /**
   * Copy of a range of a buffer after everything queued so far has run; more than MOST_STAGING bytes come piece by piece.
   * @param check throws when what was read is not to be trusted
   * @throws what `mapAsync` and `check` throw
   */
  async read(buffer: GPUBuffer, byteOffset: number, bytes: number, check: () => void): Promise<ArrayBuffer> {
    const copy = new Uint8Array(bytes);
    const staging = this.take(bytes);
    for (let done = 0; done < bytes; done += staging.size) {
      const piece = Math.min(staging.size, bytes - done);
      const encoder = this.device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, byteOffset + done, staging, 0, piece);
      this.device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ, 0, piece);
      check();
      worked();
      copy.set(new Uint8Array(staging.getMappedRange(0, piece)), done);
      staging.unmap();
    }
    this.give(staging);
    return copy.buffer;
  }

  destroy(): void {
    this.staging?.destroy();
  }

  private take(bytes: number): GPUBuffer {
    const { staging } = this;
    this.staging = null;
    const enough = Math.min(bytes, MOST_STAGING);
    if (staging !== null && staging.size >= enough) return staging;
    if (staging !== null) this.drop(staging);
    // Powers of two: whatever is read, it grows a few times in the life of a device.
    let size = LEAST_STAGING;
    while (size < enough) size *= 2;
    this.bytes += size;
    return this.device.createBuffer({
      label: 'staging',
      size,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
  }

  /** Keeps one staging buffer: reading ids every few steps should not allocate. */
  private give(staging: GPUBuffer): void {
    if (this.staging === null) this.staging = staging;
    else this.drop(staging);
  }

  private drop(staging: GPUBuffer): void {
    this.bytes -= staging.size;
    staging.destroy();
  }
}

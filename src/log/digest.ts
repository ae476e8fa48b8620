/**
 * The digest of a log: a chain d₀ = 32 zero bytes, dᵢ = sha256(dᵢ₋₁ ‖ canonical JSON of event i). Equal digests mean equal
 * logs, and the digest after any event is the state from which the chain goes on.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import type { AdapterWeights } from '../engine/types';
import type { RunEvent } from '../events';
import { canonicalJson } from './canonical';
import { LogError } from './errors';

export class LogDigest {
  private state: Uint8Array;

  /** @param hex digest to go on from (`LogDigest.hex`); an empty log when left out. @throws LogError for anything else. */
  constructor(hex?: string) {
    if (hex !== undefined && !/^[0-9a-f]{64}$/.test(hex)) throw new LogError(`"${hex}" is not a log digest`);
    this.state = hex === undefined ? new Uint8Array(32) : hexToBytes(hex);
  }

  /** @throws LogError for an event that JSON cannot hold; the digest is then unchanged. */
  add(event: RunEvent): this {
    const text = utf8ToBytes(canonicalJson(event));
    this.state = sha256.create().update(this.state).update(text).digest();
    return this;
  }

  /** 64 hexadecimal digits. */
  get hex(): string {
    return bytesToHex(this.state);
  }
}

export function digestOf(events: Iterable<RunEvent>): string {
  const digest = new LogDigest();
  for (const event of events) digest.add(event);
  return digest.hex;
}

/**
 * sha-256 of an adapter: for every tensor in name order its name, a zero byte, its shape as canonical JSON, a zero byte and its
 * f32 values, little-endian (as every platform with WebGPU is).
 */
export function hashAdapter(adapter: AdapterWeights): string {
  const hash = sha256.create();
  for (const name of [...adapter.tensors.keys()].sort()) {
    const tensor = adapter.tensors.get(name);
    if (!tensor) continue;
    const { buffer, byteOffset, byteLength } = tensor.data;
    hash.update(utf8ToBytes(`${name}\0${canonicalJson(tensor.shape)}\0`));
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return bytesToHex(hash.digest());
}

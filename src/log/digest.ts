/**
 * The digests of a log: a chain d₀ = 32 zero bytes, dᵢ = sha256(dᵢ₋₁ ‖ canonical JSON of event i). Equal digests mean equal
 * logs, and the digest after any event is the state from which the chain goes on.
 *
 * The *full* digest covers the events as they were written, in whichever format. The *discrete* digest covers what two runs of equal
 * decisions share even where their arithmetic differs in the last bits.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import type { AdapterConfig, AdapterWeights } from '../engine/types';
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
  add(event: object): this {
    const text = utf8ToBytes(canonicalJson(event));
    this.state = sha256.create().update(this.state).update(text).digest();
    return this;
  }

  /** 64 hexadecimal digits. */
  get hex(): string {
    return bytesToHex(this.state);
  }
}

/** Full digest of events as they were written. */
export function digestOf(events: Iterable<object>): string {
  const digest = new LogDigest();
  for (const event of events) digest.add(event);
  return digest.hex;
}

/** Digest over problems, ids, answers, finishes, verdicts and members of data sets. */
export function discreteDigestOf(events: Iterable<RunEvent>): string {
  const digest = new LogDigest();
  for (const event of events) {
    const discrete = discreteOf(event);
    if (discrete) digest.add(discrete);
  }
  return digest.hex;
}

/**
 * What of an event the discrete digest covers; null = nothing. A turn is its ids, or its text where the runtime gives none.
 * Log-probabilities, margins, losses, scores, adapter hashes and names of engines are left out.
 */
export function discreteOf(event: RunEvent): object | null {
  switch (event.type) {
    case 'problems':
    case 'iteration-started':
      return event;
    case 'episode': {
      const { turns, verdicts, ...key } = event;
      return {
        ...key,
        turns: turns.map(({ call, agent, parents, ids, text, answer, finish }) => ({
          call,
          agent,
          parents,
          ...(ids === undefined ? { text } : { ids }),
          ...(answer !== undefined && { answer }),
          finish,
        })),
        verdicts: verdicts.map(({ by, of, answer, count, tied, ranking }) => ({
          by,
          of,
          ...(answer !== undefined && { answer }),
          ...(count !== undefined && { count }),
          ...(tied !== undefined && { tied }),
          ...(ranking !== undefined && { ranking }),
        })),
      };
    }
    case 'dataset': {
      const { type, iteration, job, adapter, examples } = event;
      return {
        type,
        iteration,
        job,
        adapter,
        examples: examples.map(({ weight: _, tokens: __, ...members }) => members),
      };
    }
    default:
      return null;
  }
}

/**
 * sha-256 of an adapter. First come its configuration as canonical JSON (targets sorted, switches only where they are on) and a zero
 * byte. Every tensor follows, in the order of names: its name, a zero byte, its shape as canonical JSON, a zero byte and its f32 values,
 * little-endian (as every platform with WebGPU is).
 */
export function hashAdapter(adapter: AdapterWeights): string {
  const hash = sha256.create();
  hash.update(utf8ToBytes(`${canonicalJson(plainConfig(adapter.config))}\0`));
  for (const name of [...adapter.tensors.keys()].sort()) {
    const tensor = adapter.tensors.get(name);
    if (!tensor) continue;
    const { buffer, byteOffset, byteLength } = tensor.data;
    hash.update(utf8ToBytes(`${name}\0${canonicalJson(tensor.shape)}\0`));
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return bytesToHex(hash.digest());
}

/** One form for configurations that mean the same. */
function plainConfig({ rank, alpha, targets, rslora, head }: AdapterConfig): object {
  return { rank, alpha, targets: [...targets].sort(), ...(rslora && { rslora }), ...(head && { head }) };
}

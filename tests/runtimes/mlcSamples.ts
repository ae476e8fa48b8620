/** A model folder as MLC writes it, with weights of noise, and libraries that are WebAssembly but not TVM's. */
import { noise } from '../models/samples';

const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** Files of a repository. */
export function mlcRepo(shardBytes = 5000): Map<string, Uint8Array> {
  const shard = (index: number) => ({
    dataPath: `params_shard_${index}.bin`,
    format: 'raw-shard',
    nbytes: shardBytes,
    records: [
      {
        name: `w${index}`,
        shape: [shardBytes / 4],
        dtype: 'float32',
        format: 'raw',
        nbytes: shardBytes,
        byteOffset: 0,
      },
    ],
  });
  return new Map([
    ['README.md', text('a model')],
    ['mlc-chat-config.json', text({ vocab_size: 100, context_window_size: 512, tokenizer_files: ['tokenizer.json'] })],
    ['tensor-cache.json', text({ metadata: {}, records: [shard(0), shard(1)] })],
    ['params_shard_0.bin', noise(shardBytes, 7)],
    ['params_shard_1.bin', noise(shardBytes, 8)],
    ['tokenizer.json', text({ version: '1.0' })],
  ]);
}

/** WebAssembly that wants a function which no version of the package gives: what a library of another version is to it. */
export const FOREIGN_LIBRARY = new Uint8Array([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  // A type () → (), and an import env._ZTVMOld of it.
  ...[1, 4, 1, 0x60, 0, 0],
  ...[2, 15, 1, 3, 0x65, 0x6e, 0x76, 7, 0x54, 0x56, 0x4d, 0x4f, 0x6c, 0x64, 0x58, 0, 0],
]);

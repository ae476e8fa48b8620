/** What a bench measures of an engine, and that its figures fit each other and the file of a device. */
import { expect, it } from 'vitest';
import { measureCoreCeilings } from '../../src/bench/coreCeilings';
import { writeDeviceFile, readDeviceFile } from '../../src/bench/deviceFile';
import { benchOptions, type Speed } from '../../src/bench/measure';
import { measureAll, type About } from '../../src/bench/result';
import { ExactEngine } from '../../src/engine/exact/engine';
import { folderSource } from '../../src/engine/loader-node';
import { openModelStream } from '../../src/engine/stream';

it(
  'measures the exact engine: decoding, prefill and training, each beside its ceiling',
  { timeout: 120_000 },
  async () => {
    const stream = await openModelStream(folderSource('static/models/arithmetic-0.4m'));
    const rows = [1, 8];
    const engine = await ExactEngine.create(stream, benchOptions(stream.config.maxPositions, rows, 8));
    const ceilings = await measureCoreCeilings(1, 0.05);
    const told: Speed[] = [];
    let about: About | null = null;
    const request = { engine, model: 'm', hash: stream.hash, threads: 1, dtype: 'f32', rank: 8, rows } as const;
    const measurement = await measureAll(
      { ...request, budget: 0.02, repeat: 1, ceilings },
      { onAbout: (found) => (about = found), onSpeed: (speed) => told.push(speed) },
    );
    await engine.dispose();

    expect(told.map(({ what, adapters }) => [what, adapters])).toEqual([
      ['decode', 0],
      ['decode', 1],
      ['decode', 0],
      ['decode', 1],
      ['decode', 6],
      ['prefill', 6],
      ['train', 1],
      ['train', 6],
    ]);
    expect(measurement).toEqual({ ...(about as unknown as About), speeds: told });
    for (const { tokens, seconds, tokensPerSecond, predicted, share } of told) {
      expect(tokensPerSecond / (tokens / seconds)).toBeCloseTo(1, 2);
      expect(tokensPerSecond / predicted! / share!).toBeCloseTo(1, 2);
    }
    const text = writeDeviceFile({
      build: 'b',
      date: '2026-01-01',
      runtime: 'r',
      cores: 1,
      measurements: [measurement],
    });
    expect(readDeviceFile('x', text).measurements).toEqual([measurement]);
  },
);

/** A second base model before a run: it reads the same tokens and texts as long, or is refused with its setting. */
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { folderSource } from '../../src/engine/loader-node';
import type { FileSource } from '../../src/engine/source';
import { readConfig } from '../../src/engine/stream';
import { secondParts } from '../../src/lab/setup/parts';
import { ConfigurationError } from '../../src/recipes/errors';

const SMALL = 'static/models/strategies-0.25m';
const LARGE = 'static/models/strategies-0.6m';
const second = { key: 'studentModel', model: 'strategies-0.6m', adapters: ['student', 'strong'] };

async function first(maxLength?: number) {
  const source = folderSource(SMALL);
  const options = { maxRows: 8, maxAdapters: 5, maxRank: 8, ...(maxLength !== undefined && { maxLength }) };
  return { model: await readConfig(source), source, options };
}

/** The larger model with another text in one of its files. */
function changed(file: string, change: (text: string) => string): FileSource {
  const source = folderSource(LARGE);
  return {
    ...source,
    read: async (path) =>
      path === file ? new TextEncoder().encode(change(await readFile(`${LARGE}/${file}`, 'utf8'))) : source.read(path),
  };
}

it('gets an engine with room for its own adapters and for the texts of the run', async () => {
  const { adapters, options, model } = await secondParts(second, await first(), folderSource(LARGE));
  expect(adapters).toEqual(['student', 'strong']);
  expect(options).toEqual({ maxRows: 8, maxAdapters: 2, maxRank: 8, maxLength: 128 });
  expect(model.hiddenSize).toBeGreaterThan((await first()).model.hiddenSize);
});

it('is refused where it reads other tokens', async () => {
  const other = changed('tokenizer.json', (text) => text.replace('"R": 25', '"Q": 25'));
  const asked = secondParts(second, await first(), other);
  await expect(asked).rejects.toThrow(ConfigurationError);
  await expect(asked).rejects.toThrow(/^studentModel: strategies-0.6m has another tokenizer.json/);
});

it('is refused where it reads shorter texts', async () => {
  const shorter = changed('config.json', (text) =>
    text.replace('"max_position_embeddings": 128', '"max_position_embeddings": 64'),
  );
  await expect(secondParts(second, await first(), shorter)).rejects.toThrow(
    /^studentModel: strategies-0.6m has 64 positions, and texts of this run may take 128/,
  );
  expect((await secondParts(second, await first(60), shorter)).options.maxLength).toBe(60);
});

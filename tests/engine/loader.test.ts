import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { createHash } from 'node:crypto';
import { ConfigError, FileError, SafetensorsError, WeightValueError } from '../../src/engine/errors';
import type { FileSource } from '../../src/engine/source';
import { folderSource } from '../../src/engine/loader-node';
import { readSafetensors, writeSafetensors } from '../../src/engine/safetensors';
import type { HostTensor } from '../../src/engine/types';
import { goldenDir } from './golden';
import { loadModel } from './loadModel';

/** The llama fixture with some files replaced, or (null) missing. */
function changed(files: Record<string, Uint8Array | string | null>): FileSource {
  const folder = folderSource(goldenDir('llama'));
  return {
    name: 'models/changed',
    async read(path) {
      const content = files[path];
      if (content === null) throw new FileError(`models/changed/${path}`, 'no such file');
      if (content === undefined) return folder.read(path);
      return typeof content === 'string' ? new TextEncoder().encode(content) : content;
    },
  };
}

/** The fixture's weights file with one tensor changed or taken away. */
async function withTensor(name: string, tensor: HostTensor | null): Promise<FileSource> {
  const bytes = await readFile(`${goldenDir('llama')}/model.safetensors`);
  const tensors = new Map(readSafetensors(bytes, 'f'));
  if (tensor === null) tensors.delete(name);
  else tensors.set(name, tensor);
  return changed({ 'model.safetensors': writeSafetensors(tensors) });
}

describe('a model folder', () => {
  it('loads one file and hashes its bytes', async () => {
    const { weights, hash } = await loadModel(folderSource(goldenDir('llama')));
    const bytes = await readFile(`${goldenDir('llama')}/model.safetensors`);
    expect(hash).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(weights.tensors.get('lm_head.weight')?.shape).toEqual([37, 48]);
  });

  it('loads shards and hashes them in name order', async () => {
    const dir = goldenDir('qwen3');
    const { weights, hash } = await loadModel(folderSource(dir));
    const hashed = createHash('sha256');
    for (const shard of [1, 2]) hashed.update(await readFile(`${dir}/model-0000${shard}-of-00002.safetensors`));
    expect(hash).toBe(hashed.digest('hex'));
    expect(weights.tensors.get('model.layers.2.self_attn.q_norm.weight')?.shape).toEqual([14]);
  });

  it('names a missing config.json, weights file, folder', async () => {
    await expect(loadModel(changed({ 'config.json': null }))).rejects.toThrow(
      'models/changed/config.json: no such file',
    );
    await expect(loadModel(changed({ 'model.safetensors': null }))).rejects.toThrow(/model\.safetensors: no such file/);
    await expect(loadModel(folderSource('/nowhere'))).rejects.toThrow('/nowhere/config.json: no such file');
    await expect(loadModel(folderSource('/nowhere'))).rejects.toThrow(FileError);
  });

  it('names a config.json that is not JSON or of an unknown architecture', async () => {
    await expect(loadModel(changed({ 'config.json': '{"a": ' }))).rejects.toThrow(/config\.json: is not JSON/);
    const unknown = changed({ 'config.json': '{"architectures": ["MambaForCausalLM"]}' });
    await expect(loadModel(unknown)).rejects.toThrow(ConfigError);
    await expect(loadModel(unknown)).rejects.toThrow(/MambaForCausalLM/);
  });

  it('knows the end tokens of generation_config.json too', async () => {
    const folder = folderSource(goldenDir('llama'));
    const { weights } = await loadModel(folder);
    const { eosTokenIds } = weights.config;
    const other = eosTokenIds.includes(5) ? 6 : 5;
    const source: FileSource = {
      ...folder,
      exists: async (path) => path === 'generation_config.json' || (await folder.exists?.(path)) === true,
      read: async (path) =>
        path === 'generation_config.json'
          ? new TextEncoder().encode(JSON.stringify({ eos_token_id: [...eosTokenIds, other] }))
          : folder.read(path),
    };
    expect((await loadModel(source)).weights.config).toEqual({
      ...weights.config,
      eosTokenIds: [...eosTokenIds, other],
    });
  });

  it('names a truncated weights file', async () => {
    const bytes = await readFile(`${goldenDir('llama')}/model.safetensors`);
    for (const length of [0, 6, 200, bytes.length - 1]) {
      const truncated = changed({ 'model.safetensors': bytes.subarray(0, length) });
      await expect(loadModel(truncated)).rejects.toThrow(SafetensorsError);
      await expect(loadModel(truncated)).rejects.toThrow(/^models\/changed\/model\.safetensors: .*truncated/);
    }
  });

  it('names a tensor that is missing, of the wrong shape, or not a number', async () => {
    const name = 'model.layers.1.mlp.up_proj.weight';
    await expect(loadModel(await withTensor(name, null))).rejects.toThrow(`tensor ${name} is missing`);
    const flat = { shape: [48, 56], data: new Float32Array(48 * 56) };
    await expect(loadModel(await withTensor(name, flat))).rejects.toThrow(
      `tensor ${name} has shape [48, 56], config.json asks for [56, 48]`,
    );
    const bad = { shape: [56, 48], data: new Float32Array(48 * 56).fill(NaN, 5, 6) };
    const source = await withTensor(name, bad);
    await expect(loadModel(source)).rejects.toThrow(WeightValueError);
    await expect(loadModel(source)).rejects.toThrow(`tensor ${name} holds NaN at index 5`);
  });

  it('names the shard that lacks a tensor, and the index that does', async () => {
    const folder = folderSource(goldenDir('qwen3'));
    const index = JSON.parse(new TextDecoder().decode(await folder.read('model.safetensors.index.json')));
    const swapped = structuredClone(index);
    swapped.weight_map['model.norm.weight'] = 'model-00001-of-00002.safetensors';
    const source = (json: unknown): FileSource => ({
      ...folder,
      read: async (path) =>
        path.endsWith('index.json') ? new TextEncoder().encode(JSON.stringify(json)) : folder.read(path),
    });
    await expect(loadModel(source(swapped))).rejects.toThrow(/00001-of-00002\.safetensors: tensor model\.norm\.weight/);
    delete index.weight_map['model.norm.weight'];
    await expect(loadModel(source(index))).rejects.toThrow(/index\.json: tensor model\.norm\.weight is missing/);
  });
});

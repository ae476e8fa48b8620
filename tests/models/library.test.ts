/** Listing, opening and deleting stored models, in memory and on disk; folders; the catalogue. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseModelConfig, tensorShapes } from '../../src/engine/config';
import { FileError } from '../../src/engine/errors';
import { folderSource } from '../../src/engine/loader-node';
import { CATALOGUE } from '../../src/models/catalogue';
import { downloadModel } from '../../src/models/download';
import { ModelBusyError, StoredModelError, UnsupportedModelError } from '../../src/models/errors';
import { folderFromDrop, folderFromFiles, folderTransport, openFolder, resolveFolder } from '../../src/models/folder';
import { deleteStoredModel, listStoredModels, openStoredModel } from '../../src/models/library';
import { totalBytes } from '../../src/models/manifest';
import { OpfsChunkStore } from '../../src/models/opfs';
import { MANIFEST, MemoryChunkStore, type ChunkStore } from '../../src/models/store';
import { FolderChunkStore } from '../../src/models/store-node';
import { goldenDir } from '../engine/golden';
import { loadModel } from '../engine/loadModel';
import { CHUNK, repoFiles } from './samples';

/** A chosen file with its path below the chosen folder, as browsers give it. */
function chosen(path: string, bytes: Uint8Array): File {
  const file = new File([bytes as Uint8Array<ArrayBuffer>], path.split('/').at(-1) as string);
  return Object.defineProperty(file, 'webkitRelativePath', { value: path });
}

const sampleFolder = () =>
  folderFromFiles([...repoFiles()].map(([path, bytes]) => chosen(`models/tiny/${path}`, bytes)));

async function storeSample(store: ChunkStore): Promise<string> {
  const folder = sampleFolder();
  const manifest = await resolveFolder(folder, { chunkBytes: CHUNK });
  await downloadModel(manifest, { store, transport: folderTransport(folder) });
  return manifest.id;
}

let disk: string;
beforeEach(async () => void (disk = await mkdtemp(join(tmpdir(), 'models-'))));
afterEach(() => rm(disk, { recursive: true, force: true }));

describe.each([
  ['memory', (): ChunkStore => new MemoryChunkStore()],
  ['a folder on disk', (): ChunkStore => new FolderChunkStore(join(disk, 'models'))],
])('models stored in %s', (_name, make) => {
  it('are listed with their bytes, read in parts, and deleted', async () => {
    const store = make();
    expect(await listStoredModels(store)).toEqual([]);
    const id = await storeSample(store);
    const [listed, ...others] = await listStoredModels(store);
    expect(others).toEqual([]);
    const bytes = totalBytes(listed?.manifest ?? expect.fail());
    expect(listed).toMatchObject({ id, complete: true, problem: null, storedBytes: bytes, totalBytes: bytes });

    const model = await openStoredModel(store, id);
    const weights = repoFiles().get('model.safetensors') as Uint8Array;
    expect(await model.size('model.safetensors')).toBe(weights.length);
    expect(await model.read('model.safetensors')).toEqual(weights);
    const ranges = [
      [0, 0],
      [0, 1],
      [CHUNK - 1, CHUNK + 1],
      [5, 3 * CHUNK + 7],
      [weights.length - 3, weights.length],
    ];
    for (const [from, to] of ranges as [number, number][]) {
      expect(await model.readRange('model.safetensors', from, to)).toEqual(weights.slice(from, to));
    }
    for (const [from, to] of [
      [-1, 2],
      [2, 1],
      [0, weights.length + 1],
      [0.5, 1],
    ] as [number, number][]) {
      await expect(model.readRange('model.safetensors', from, to)).rejects.toThrow(FileError);
    }
    expect(await model.exists('model.safetensors')).toBe(true);
    expect(await model.exists('pytorch_model.bin')).toBe(false);
    await expect(model.read('vocab.txt')).rejects.toThrow(/vocab\.txt: no such file/);

    await deleteStoredModel(store, id);
    expect(await listStoredModels(store)).toEqual([]);
    await expect(openStoredModel(store, id)).rejects.toThrow(/is not stored/);
    await deleteStoredModel(store, id);
  });

  it('are not deleted while somebody works on them', async () => {
    const store = make();
    const id = await storeSample(store);
    await store.exclusive(id, async () => expect(deleteStoredModel(store, id)).rejects.toThrow(ModelBusyError));
    expect((await listStoredModels(store))[0]?.complete).toBe(true);
  });

  it('are not opened with a part missing, and only that part is stored again', async () => {
    const store = make();
    const id = await storeSample(store);
    const { name } = (await store.list(id)).find((file) => file.name.startsWith('model.safetensors~3~')) as {
      name: string;
    };
    await store.remove(id, name);
    await expect(openStoredModel(store, id)).rejects.toThrow(StoredModelError);
    expect((await listStoredModels(store))[0]).toMatchObject({ id, complete: false });
    await storeSample(store);
    expect(await (await openStoredModel(store, id)).read('model.safetensors')).toEqual(
      repoFiles().get('model.safetensors'),
    );
  });

  it('are listed as damaged, beside the others, when the manifest cannot be read', async () => {
    const store = make();
    const id = await storeSample(store);
    const broken = `other/model@${'1'.repeat(40)}`;
    for (const text of ['{"schema":', '{"schema":2}', 'null', '']) {
      await store.write(broken, MANIFEST, new TextEncoder().encode(text));
      await store.write(broken, 'x', new Uint8Array(5));
      const listed = await listStoredModels(store);
      expect(listed.map((model) => [model.id, model.problem === null])).toEqual([
        [id, true],
        [broken, false],
      ]);
    }
    await deleteStoredModel(store, broken);
    expect(await listStoredModels(store)).toHaveLength(1);
  });
});

describe('FolderChunkStore', () => {
  it('takes no notice of writes that were interrupted and of files that are not its own', async () => {
    const root = join(disk, 'models');
    const store = new FolderChunkStore(root);
    const id = await storeSample(store);
    const [folder] = await readdir(root);
    await writeFile(join(root, folder as string, 'model.safetensors~0~aa.tmp'), 'half');
    await writeFile(join(root, 'README'), 'x');
    expect((await listStoredModels(store)).map((model) => [model.id, model.complete])).toEqual([[id, true]]);
    expect((await store.estimate())?.quotaBytes).toBeGreaterThan(0);
  });
});

describe('OpfsChunkStore', () => {
  const fails = (name: string) => () => Promise.reject(new DOMException('', name));
  const named = (name: string, getFile: () => Promise<File>) => [name, { kind: 'file', getFile }] as const;

  it('lists what is left of a model that another tab deletes meanwhile', async () => {
    const folder = {
      async *entries() {
        yield named('a', async () => new File(['123'], 'a'));
        yield named('b', fails('NotFoundError'));
        yield named('c', async () => new File(['1'], 'c'));
        await fails('NotFoundError')();
      },
    };
    const root = { getDirectoryHandle: async () => folder } as unknown as FileSystemDirectoryHandle;
    expect(await new OpfsChunkStore(root).list('model@1')).toEqual([
      { name: 'a', size: 3 },
      { name: 'c', size: 1 },
    ]);
  });

  it('says of a model that cannot be deleted that it is in use', async () => {
    const store = (name: string) =>
      new OpfsChunkStore({ removeEntry: fails(name) } as unknown as FileSystemDirectoryHandle);
    await store('NotFoundError').removeModel('model@1');
    await expect(store('NoModificationAllowedError').removeModel('model@1')).rejects.toThrow(ModelBusyError);
    await expect(store('UnknownError').removeModel('model@1')).rejects.toThrow(/Reload the page/);
  });
});

describe('a folder', () => {
  async function golden(model: string): Promise<File[]> {
    const dir = goldenDir(model);
    const names = (await readdir(dir)).filter((name) => /^config\.json$|safetensors/.test(name));
    const files = await Promise.all(
      names.map(async (name) => chosen(`run/${model}/${name}`, await readFile(join(dir, name)))),
    );
    return [
      ...files,
      ...['tokenizer.json', 'tokenizer_config.json'].map((name) => chosen(`run/${model}/${name}`, Buffer.from('{}'))),
    ];
  }

  it.each(['llama', 'qwen3'])('loads the same model where it lies and from the store (%s)', async (model) => {
    const folder = folderFromFiles(await golden(model));
    expect(folder.name).toBe(model);
    const reference = await loadModel(folderSource(goldenDir(model)));
    expect(await loadModel(await openFolder(folder))).toEqual(reference);
    const manifest = await resolveFolder(folder);
    const store = new MemoryChunkStore();
    await downloadModel(manifest, { store, transport: folderTransport(folder) });
    const stored = await openStoredModel(store, manifest.id);
    expect(await loadModel(stored)).toEqual(reference);
    for (const { path } of manifest.files) {
      const hash = createHash('sha256').update(await stored.read(path));
      expect(await stored.sha256(path)).toBe(hash.digest('hex'));
    }
    expect(await (await openFolder(folder)).sha256('config.json')).toBeNull();
  });

  it('has the same id for the same files, whatever lies beside them', async () => {
    const one = await resolveFolder(sampleFolder());
    const files = [...repoFiles().set('notes.txt', new Uint8Array(3))].map(([path, bytes]) =>
      chosen(`tiny/${path}`, bytes),
    );
    const two = await resolveFolder(folderFromFiles(files.reverse()));
    expect(two.id).toBe(one.id);
    expect(one.files.map(({ path }) => path)).not.toContain('pytorch_model.bin');
    const changed = repoFiles().set('tokenizer.json', new Uint8Array(4));
    expect((await resolveFolder(folderFromFiles([...changed].map(([p, b]) => chosen(`tiny/${p}`, b))))).id).not.toBe(
      one.id,
    );
  });

  it('says at once when its files have changed on the disk', async () => {
    const folder = sampleFolder();
    const manifest = await resolveFolder(folder, { chunkBytes: CHUNK });
    const store = new MemoryChunkStore();
    const copy = () => downloadModel(manifest, { store, transport: folderTransport(folder) });
    // What browsers do with a chosen file that was written to since.
    class ChangedBlob extends Blob {
      override slice(): Blob {
        const stream = () => new ReadableStream({ start: (to) => to.error(new DOMException('', 'NotReadableError')) });
        return Object.assign(new Blob(), { stream });
      }
    }
    folder.files.set('model.safetensors', new ChangedBlob());
    await expect(copy()).rejects.toThrow(FileError);
    await expect(copy()).rejects.toThrow(/tiny\/model\.safetensors: cannot be read any more; choose the folder again/);
    // A browser that reads it all the same.
    folder.files.set('model.safetensors', new Blob([new Uint8Array(repoFiles().get('model.safetensors')!.length)]));
    await expect(copy()).rejects.toThrow(/It was changed while it was copied: choose the folder again/);
  });

  it('is refused when it has no model, several, or not all of one', async () => {
    const files = [...repoFiles()].map(([path, bytes]) => chosen(`tiny/${path}`, bytes));
    expect(() => folderFromFiles([])).toThrow(UnsupportedModelError);
    expect(() => folderFromFiles(files.filter(({ name }) => name !== 'config.json'))).toThrow(/no config\.json/);
    const twice = ['a', 'b'].map((name) => chosen(`${name}/config.json`, new Uint8Array(2)));
    expect(() => folderFromFiles(twice)).toThrow(/several models \(a, b\)/);
    const without = (missing: string) => openFolder(folderFromFiles(files.filter(({ name }) => name !== missing)));
    await expect(without('tokenizer.json')).rejects.toThrow(/tokenizer\.json is missing/);
    await expect(without('model.safetensors')).rejects.toThrow(UnsupportedModelError);
  });

  it('is found where it lies in what was dropped, hidden files and what is too deep left out', async () => {
    const bytes = (size: number) => new File([new Uint8Array(size)], 'x');
    type Entry = { isFile: boolean; name: string; fullPath: string };
    const file = (fullPath: string, size = 1): Entry => {
      const name = fullPath.split('/').at(-1) as string;
      return { isFile: true, name, fullPath, file: (resolve: (file: File) => void) => resolve(bytes(size)) } as Entry;
    };
    const directory = (fullPath: string, ...children: Entry[]): Entry => {
      const portions = [children, []];
      const createReader = () => ({ readEntries: (resolve: (of: Entry[]) => void) => resolve(portions.shift() ?? []) });
      return { isFile: false, name: fullPath.split('/').at(-1) as string, fullPath, createReader } as Entry;
    };
    const model = directory(
      '/models/mine',
      file('/models/mine/config.json', 2),
      file('/models/mine/.config.json.swp'),
      directory('/models/mine/.git', file('/models/mine/.git/config.json')),
      directory('/models/mine/onnx', file('/models/mine/onnx/model.onnx', 7)),
      directory('/models/mine/other', file('/models/mine/other/config.json')),
      file('/models/mine/model.safetensors', 5),
    );
    const deep = [5, 4, 3, 2, 1].reduce<Entry>(
      (inner, level) => directory(`/models/${'d/'.repeat(level)}`.slice(0, -1), inner),
      file('/models/d/d/d/d/d/config.json'),
    );
    const drop = (...entries: (Entry | null)[]) =>
      folderFromDrop(entries.map((entry) => ({ webkitGetAsEntry: () => entry })) as unknown as DataTransferItemList);
    await expect(drop(directory('/models', deep))).rejects.toThrow(/no config\.json/);
    const folder = await drop(directory('/models', model));
    expect(folder.name).toBe('mine');
    expect([...folder.files].map(([path, { size }]) => [path, size])).toEqual([
      ['config.json', 2],
      ['onnx/model.onnx', 7],
      ['model.safetensors', 5],
    ]);
    // Single files, beside other things than files.
    const files = await drop(file('/config.json', 2), file('/model.safetensors', 5), null);
    expect([...files.files.keys()]).toEqual(['config.json', 'model.safetensors']);
  });

  it('can be dropped, with more files than a browser hands out at once', async () => {
    const entry = (file: File) => ({
      isFile: true,
      name: file.name,
      fullPath: `/tiny/${file.name}`,
      file: (resolve: (file: File) => void) => resolve(file),
    });
    const files = [...repoFiles()].filter(([path]) => !path.includes('/')).map(([path, bytes]) => chosen(path, bytes));
    const portions = [files.slice(0, 3), files.slice(3), []].map((portion) => portion.map(entry));
    const directory = {
      isFile: false,
      name: 'tiny',
      createReader: () => ({ readEntries: (resolve: (entries: unknown[]) => void) => resolve(portions.shift() ?? []) }),
    };
    const items = [{ webkitGetAsEntry: () => directory }, { webkitGetAsEntry: () => null }];
    const folder = await folderFromDrop(items as unknown as DataTransferItemList);
    expect(folder.name).toBe('tiny');
    expect((await resolveFolder(folder)).id).toBe((await resolveFolder(sampleFolder())).id);
  });
});

describe('the catalogue', () => {
  /** Shapes from the models' own config.json. */
  const SHAPES: Record<string, [D: number, F: number, layers: number, H: number, K: number, Dh: number, V: number]> = {
    'HuggingFaceTB/SmolLM2-135M-Instruct': [576, 1536, 30, 9, 3, 64, 49152],
    'HuggingFaceTB/SmolLM2-360M-Instruct': [960, 2560, 32, 15, 5, 64, 49152],
    'Qwen/Qwen2.5-0.5B-Instruct': [896, 4864, 24, 14, 2, 64, 151936],
    'Qwen/Qwen3-0.6B': [1024, 3072, 28, 16, 8, 128, 151936],
    'meta-llama/Llama-3.2-1B-Instruct': [2048, 8192, 16, 32, 8, 64, 128256],
  };
  const CLASSES = { llama: 'LlamaForCausalLM', qwen2: 'Qwen2ForCausalLM', qwen3: 'Qwen3ForCausalLM' };

  it.each(CATALOGUE.map((entry) => [entry.repo, entry] as const))('has the parameters of %s', (repo, entry) => {
    const [D, F, layers, H, K, Dh, V] = SHAPES[repo] as number[] as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const config = parseModelConfig(
      {
        architectures: [CLASSES[entry.architecture]],
        hidden_size: D,
        intermediate_size: F,
        num_hidden_layers: layers,
        num_attention_heads: H,
        num_key_value_heads: K,
        head_dim: Dh,
        vocab_size: V,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: true,
      },
      'config.json',
    );
    const sizes = [...tensorShapes(config).values()].map((shape) => shape.reduce((a, b) => a * b, 1));
    expect(sizes.reduce((a, b) => a + b, 0)).toBe(entry.parameters);
    // BF16, and a header of some kilobytes; a head that is stored although it is tied is more than that.
    const stored = entry.parameters + (entry.architecture === 'qwen3' ? V * D : 0);
    expect(Math.abs(entry.weightBytes - 2 * stored)).toBeLessThan(50_000);
  });
});

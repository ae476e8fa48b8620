/** What the model worker answers the page: offers with sizes, downloads that can be cancelled and go on, folders. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addFolder, MemoryChunkStore, openModel, UnsupportedModelError } from '../../src/models';
import { onnxFormats } from '../../src/models/onnxFiles';
import { modelAddress, modelReference, modelTitle, storedAddress } from '../../src/models/address';
import { createModelService, type Answer, type ModelOffer, type TransferMessage } from '../../src/models/service';
import { HubServer } from './hubServer';
import { CONFIG, openRepo, REPO, repoFiles } from './samples';

const hub = new HubServer();
let store: MemoryChunkStore;
let service: ReturnType<typeof createModelService>;

beforeAll(() => hub.start());
afterAll(() => hub.stop());
beforeEach(() => {
  hub.reset();
  hub.repos.set(REPO, openRepo());
  store = new MemoryChunkStore();
  service = createModelService(async () => store);
});

const login = (token: string | null = null) => ({ endpoint: hub.endpoint, token });

function offered(answer: Answer): ModelOffer {
  if (!('offer' in answer)) throw new Error(answer.problem);
  return answer.offer;
}

/** A port that gathers what it is told, and the other end. */
function listen() {
  const { port1, port2 } = new MessageChannel();
  const heard: TransferMessage[] = [];
  port1.onmessage = (event: MessageEvent<TransferMessage>) => heard.push(event.data);
  return { mine: port1, theirs: port2, heard };
}

const needed = [
  'config.json',
  'generation_config.json',
  'model.safetensors',
  'tokenizer.json',
  'tokenizer_config.json',
];
const neededBytes = () => needed.reduce((sum, path) => sum + (repoFiles().get(path) as Uint8Array).length, 0);

const folder = () => ({
  name: 'mine',
  files: new Map(needed.map((path) => [path, new Blob([repoFiles().get(path) as Uint8Array<ArrayBuffer>])])),
});

describe('the model service', () => {
  it('offers a model with exact bytes and its shape, stores it, lists it and deletes it', async () => {
    const offer = offered(await service.ask(REPO, 'main', login()));
    expect(offer).toMatchObject({ bytes: neededBytes(), storedBytes: 0, complete: false });
    expect(offer.config).toMatchObject({ modelType: 'llama', numLayers: 2, hiddenSize: 32 });
    const { theirs, heard } = listen();
    expect(await service.download(offer.manifest, login(), theirs)).toBe(true);
    await expect.poll(() => heard.at(-1)?.phase).toBe('done');
    expect(offered(await service.ask(REPO, 'main', login())).complete).toBe(true);
    const { models } = await service.shelf();
    expect(models).toMatchObject([{ id: offer.manifest.id, complete: true, storedBytes: neededBytes() }]);
    expect(await service.config(offer.manifest.id)).toMatchObject({ numLayers: 2 });
    await service.remove(offer.manifest.id);
    expect((await service.shelf()).models).toEqual([]);
  });

  it('ends quietly when it is cancelled, and goes on from there', async () => {
    hub.fault = ({ path }) => (path === 'model.safetensors' ? { kind: 'stall', after: 0 } : null);
    const { manifest } = offered(await service.ask(REPO, 'main', login()));
    const { mine, theirs, heard } = listen();
    const download = service.download(manifest, login(), theirs);
    const small = neededBytes() - (repoFiles().get('model.safetensors') as Uint8Array).length;
    await expect.poll(async () => (await service.shelf()).models[0]?.storedBytes).toBe(small);
    expect(heard[0]).toMatchObject({ phase: 'download', doneBytes: 0, totalBytes: neededBytes() });
    mine.postMessage('cancel');
    expect(await download).toBe(false);
    hub.reset();
    expect(offered(await service.ask(REPO, 'main', login()))).toMatchObject({ storedBytes: small, complete: false });
    expect(await service.download(manifest, login(), listen().theirs)).toBe(true);
  });

  it('says what keeps a model away, and whether a token would help', async () => {
    hub.repos.set(REPO, { ...openRepo(), token: 'hf_right' });
    expect(await service.ask(REPO, 'main', login())).toMatchObject({ needsToken: true, problem: /accept its licence/ });
    expect(await service.ask(REPO, 'main', login('hf_wrong'))).toMatchObject({ needsToken: true });
    expect(await service.ask('no/where', 'main', login())).toMatchObject({ needsToken: false, problem: /no model/ });
    expect(await service.ask('???', 'main', login())).toMatchObject({ needsToken: false, problem: /owner\/name/ });
  });

  it('reads a folder where it lies, and copies it', async () => {
    expect(await service.look(folder())).toMatchObject({ bytes: neededBytes(), config: { numLayers: 2 } });
    const id = (await service.copyFolder(folder(), listen().theirs)) as string;
    expect(id).toMatch(/^folder:mine@/);
    expect(modelTitle(storedAddress(id))).toBe('mine (copied folder)');
    expect((await service.shelf()).models).toMatchObject([{ id, complete: true }]);
    const wrong = {
      name: 'x',
      files: new Map([['config.json', new Blob([JSON.stringify({ ...CONFIG, model_type: 'gpt2' })])]]),
    };
    await expect(service.look(wrong)).rejects.toThrow(UnsupportedModelError);
  });

  it('copies a folder’s files in ONNX for seats, in one format', async () => {
    const { name, files } = folder();
    files.delete('model.safetensors');
    for (const path of ['onnx/model.onnx', 'onnx/model.onnx_data', 'onnx/model_quantized.onnx', 'onnx/other.onnx'])
      files.set(path, new Blob([path]));
    expect(onnxFormats(files.keys())).toEqual(['fp32', 'q8']);
    const id = (await service.copyOnnx({ name, files }, 'fp32', listen().theirs)) as string;
    expect(id).toMatch(/^folder:mine@[0-9a-f]{40}\+onnx\.fp32$/);
    const [stored] = (await service.shelf()).models;
    expect(stored).toMatchObject({ id, complete: true, manifest: { seat: { runtime: 'transformers' } } });
    expect(stored?.manifest?.files.map(({ path }) => path).sort()).toEqual(
      [...needed.filter((path) => path !== 'model.safetensors'), 'onnx/model.onnx', 'onnx/model.onnx_data'].sort(),
    );
    const other = (await service.copyOnnx({ name, files }, 'q8', listen().theirs)) as string;
    expect(other).not.toBe(id);
    await expect(service.copyOnnx({ name, files }, 'q4', listen().theirs)).rejects.toThrow(
      /mine.*onnx\/model_q4\.onnx missing\. There are onnx\/model\.onnx, onnx\/model_quantized\.onnx/,
    );
    files.delete('tokenizer.json');
    await expect(service.copyOnnx({ name, files }, 'fp32', listen().theirs)).rejects.toThrow(/tokenizer\.json missing/);
  });
});

describe('addresses', () => {
  it('name served, stored and chosen models', () => {
    expect(modelReference('arithmetic-0.4m')).toEqual({ kind: 'served', name: 'arithmetic-0.4m' });
    expect(modelAddress('arithmetic-0.4m', 'https://a.b/c/')).toBe('https://a.b/c/models/arithmetic-0.4m/');
    expect(modelAddress('stored:a/b@c', 'https://a.b/c/')).toBe('stored:a/b@c');
    expect(modelTitle('stored:Qwen/Qwen3-0.6B@0123')).toBe('Qwen/Qwen3-0.6B');
    expect(modelTitle('folder:mine')).toBe('mine (folder)');
  });

  it('of folders lead to their files until the page is reloaded', async () => {
    await expect(openModel('folder:mine')).rejects.toThrow(/mine has to be opened or chosen again/);
    expect(addFolder(folder())).toBe('folder:mine');
    const files = await openModel('folder:mine');
    expect(JSON.parse(new TextDecoder().decode(await files.read('config.json')))).toEqual(CONFIG);
  });
});

describe('a model with a setting that is not known', () => {
  const unknown = { ...CONFIG, scale_emb: 12 };
  const files = () => repoFiles().set('config.json', new TextEncoder().encode(JSON.stringify(unknown)));
  const strange = () => ({
    name: 'strange',
    files: new Map(needed.map((path) => [path, new Blob([files().get(path) as Uint8Array<ArrayBuffer>])])),
  });

  it('of the hub is refused with the choice to ignore it, which is stored with the model', async () => {
    hub.repos.set(REPO, openRepo(files()));
    expect(await service.ask(REPO, 'main', login())).toMatchObject({ keys: ['scale_emb'], problem: /"scale_emb": 12/ });
    const { manifest, config } = offered(await service.ask(REPO, 'main', login(), ['scale_emb']));
    expect(config.ignored).toEqual(['scale_emb']);
    expect(manifest.ignore).toEqual(['scale_emb']);
    await service.download(manifest, login(), listen().theirs);
    const { models } = await service.shelf();
    expect(models[0]?.manifest?.ignore).toEqual(['scale_emb']);
    expect((await service.config(manifest.id)).ignored).toEqual(['scale_emb']);
    expect(await service.check(manifest.id, [])).toMatchObject({ keys: ['scale_emb'] });
    expect(await service.check(manifest.id, ['scale_emb'])).toBeNull();
  });

  it('in a folder likewise', async () => {
    expect(await service.look(strange())).toMatchObject({ keys: ['scale_emb'], problem: /--ignore-config scale_emb/ });
    expect(await service.look(strange(), ['scale_emb'])).toMatchObject({ config: { ignored: ['scale_emb'] } });
    await expect(service.copyFolder(strange(), listen().theirs)).rejects.toThrow(/scale_emb/);
    const id = (await service.copyFolder(strange(), listen().theirs, ['scale_emb'])) as string;
    expect((await service.config(id)).ignored).toEqual(['scale_emb']);
  });
});

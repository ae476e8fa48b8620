/**
 * web-llm as a runtime, beyond what a test can have of it: a library of this version and weights. An engine of its interface is scripted;
 * the list of models, the local hub, the store and the supervision are real. tests/e2e/otherRuntimes.e2e.ts drives the package itself.
 */
import { prebuiltAppConfig } from '@mlc-ai/web-llm';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openWebLlmVoice } from '../../src/lab/setup/webLlmVoice';
import { openStoredModel } from '../../src/models/library';
import { MemoryChunkStore } from '../../src/models/store';
import { resolveConfig } from '../../src/recipes/resolve';
import { filesFrom, readRuntime } from '../../src/recipes/seats';
import { seedOf } from '../../src/runtimes/seedOf';
import type { WebLlmLibrary } from '../../src/runtimes/webllm/library';
import { createWebLlmWork } from '../../src/runtimes/webllm/work';
import type { Question, Voice } from '../../src/runtimes/types';
import { HubServer } from '../models/hubServer';
import { COMMIT } from '../models/samples';
import { delivered, fakeWorker, HandClock, type FakeWorker } from '../supervision/byHand';
import { FOREIGN_LIBRARY, mlcRepo } from './mlcSamples';

const hub = new HubServer();
let site: Server;
let library = '';
let libraryBytes: Uint8Array | null = FOREIGN_LIBRARY;
const store = () => new MemoryChunkStore();
const config = resolveConfig('arithmetic-quick', { seed: 5 });
const open: Voice[] = [];

beforeAll(async () => {
  await hub.start();
  site = createServer((_, response) => {
    if (libraryBytes === null) response.writeHead(404).end();
    else response.end(libraryBytes);
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  library = `http://127.0.0.1:${(site.address() as AddressInfo).port}/model-webgpu.wasm`;
});
beforeEach(() => {
  hub.reset();
  hub.repos.set('me/tiny-MLC', { commit: COMMIT, files: mlcRepo(), token: null });
  libraryBytes = FOREIGN_LIBRARY;
});
afterAll(async () => {
  for (const voice of open) await voice.close();
  await hub.stop();
  site.close();
});

/** What a scripted engine does; each worker has one of its own. */
interface Script {
  /** What loading does beside asking for the files. */
  load?: (asked: string[], lose: (reason: string) => void) => Promise<void> | void;
  /** The pieces of an answer; throws what the package would. */
  answer?: (seed: number, nth: number) => string[];
  logprobs?: boolean;
  adapter?: boolean;
  /** Files beyond those of every model. */
  wants?: string[];
}

interface Started {
  worker: FakeWorker;
  requests: Record<string, unknown>[];
  /** Paths that the package asked for. */
  files: string[];
}

/** A voice in workers whose engines follow a script each; the last script goes on. */
function setUp(scripts: Script[] = [{}], chunks = store()) {
  const started: Started[] = [];
  const clock = new HandClock();
  const start = (): FakeWorker => {
    const script = scripts[Math.min(started.length, scripts.length - 1)] as Script;
    const one: Started = { worker: null!, requests: [], files: [] };
    one.worker = fakeWorker((heart) => {
      let caches: Pick<CacheStorage, 'open'> | null = null;
      let [lose, nth] = [(_reason: string) => {}, 0];
      const CreateMLCEngine = async (_id: string, given: { appConfig: typeof prebuiltAppConfig }) => {
        const record = given.appConfig.model_list[0]!;
        const adapter = await gpu.requestAdapter();
        await adapter?.requestDevice();
        const cache = await caches!.open('webllm/model');
        const { wants = [] } = script;
        const paths = [
          'mlc-chat-config.json',
          'tensor-cache.json',
          'params_shard_0.bin',
          'params_shard_1.bin',
          ...wants,
        ];
        for (const address of [record.model_lib, ...paths.map((path) => record.model + path)]) {
          await cache.add(address);
          one.files.push(address.split('/').at(-1) as string);
          await (await cache.match(address))!.arrayBuffer();
        }
        await script.load?.(one.files, lose);
        const create = async (request: Record<string, unknown>) => {
          one.requests.push(request);
          const pieces = (script.answer ?? (() => ['4', '2']))(request['seed'] as number, nth++);
          return (async function* () {
            for (const content of pieces) {
              const logprobs =
                request['logprobs'] && script.logprobs !== false ? { content: [{ logprob: -0.5 }] } : null;
              yield { choices: [{ delta: { content }, finish_reason: null, logprobs }] };
            }
            yield { choices: [{ delta: {}, finish_reason: 'stop' }] };
            yield { choices: [], usage: { completion_tokens: pieces.length } };
          })();
        };
        return {
          chat: { completions: { create } },
          resetChat: async () => {},
          unload: async () => {},
          interruptGenerate: () => {},
          getGPUVendor: async () => 'scripted',
        };
      };
      const device = { lost: new Promise((resolve) => (lose = (message) => resolve({ reason: 'unknown', message }))) };
      const adapter = { features: new Set<string>(), requestDevice: async () => device };
      const gpu = { requestAdapter: async () => (script.adapter === false ? null : adapter) } as unknown as GPU;
      return createWebLlmWork({
        library: async () =>
          ({ CreateMLCEngine, prebuiltAppConfig, modelVersion: 'v0_0_0' }) as unknown as WebLlmLibrary,
        version: '0.0.0',
        gpu,
        openModel: (address) => openStoredModel(chunks, address.replace('stored:', '')),
        setCaches: (given) => (caches = given),
        pulse: heart,
      });
    });
    started.push(one);
    return one.worker;
  };
  const voice = async (spec = `web-llm:${hub.endpoint}/me/tiny-MLC#${library}`, own = config): Promise<Voice> => {
    const request = { spec: readRuntime('seats', spec), config: own, signal: new AbortController().signal };
    const made = await openWebLlmVoice({ start, openStore: async () => chunks, clock }, request);
    open.push(made);
    return made;
  };
  return { voice, started, clock, chunks };
}

function questions(count: number): Question[] {
  return Array.from({ length: count }, (_, problem) => ({
    at: { purpose: 'evaluation', learner: 'base', iteration: 0, problem },
    call: 'answer-0',
    kind: 'answer',
    agent: 'base',
    seat: 0,
    layer: 0,
    adapter: null,
    messages: [{ role: 'user', content: `What is ${problem}?` }],
    draw: { stream: 2, iteration: 0, agent: 0, problem, round: 1 },
  }));
}

describe('a model of web-llm', () => {
  it('answers under seeds of the calls’ names, and says what it gives', async () => {
    const { voice, started } = setUp();
    const made = await voice();
    const asked = questions(3);
    const answers = await made.ask(asked);
    expect(answers).toEqual(
      asked.map(({ draw }) => ({
        text: '42',
        finish: 'stop',
        tokens: 2,
        logprobs: [-0.5, -0.5],
        seed: seedOf(5, draw),
      })),
    );
    // Seeds belong to the calls: order and company change nothing.
    expect((await made.ask([...asked].reverse())).map(({ seed }) => seed)).toEqual(
      answers.map(({ seed }) => seed).reverse(),
    );
    expect(started[0]!.requests.at(-1)).toMatchObject({
      stream: true,
      logprobs: true,
      max_tokens: config.sampling.maxTokens,
    });
    // What it does not give is absent, and not a zero.
    for (const key of ['ids', 'margins']) expect(answers[0]).not.toHaveProperty(key);
    expect(made.describe()).toEqual({
      name: `web-llm:${hub.endpoint}/me/tiny-MLC#${library}`,
      engine: '@mlc-ai/web-llm 0.0.0, libraries v0_0_0',
      model: { name: `${hub.endpoint}/me/tiny-MLC`, hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
      files: expect.stringMatching(/^[0-9a-f]{64}$/),
      device: 'webgpu scripted',
      gives: ['logprobs', 'repeats'],
    });
  });

  it('does not claim to repeat itself, nor log-probabilities, where its probe finds otherwise', async () => {
    const { voice } = setUp([{ answer: (_, nth) => [String(nth)], logprobs: false }]);
    const made = await voice();
    expect(made.can).toMatchObject({ repeats: false, logprobs: false });
    expect((await made.ask(questions(1)))[0]).not.toHaveProperty('logprobs');
  });

  it('reads its files from the store, which has them checked, and fetches them once', async () => {
    const { voice, started, chunks } = setUp();
    await voice();
    expect(started[0]!.files).toContain('params_shard_1.bin');
    const asked = hub.requests.length;
    await setUp([{}], chunks).voice();
    expect(hub.requests.length).toBe(asked);
  });

  it('is one of the package’s list, whose sites are asked for leave', async () => {
    const { voice, started } = setUp([{}]);
    await expect(voice('web-llm:Qwen9-1B-MLC')).rejects.toThrow(
      /its list has no model Qwen9-1B-MLC; it has .* and others/,
    );
    expect(started.length).toBe(1);
    const origins = new Set(
      prebuiltAppConfig.model_list.flatMap((one) => [one.model, one.model_lib].map((to) => new URL(to).origin)),
    );
    expect(new Set(filesFrom(readRuntime('seats', 'web-llm:any')))).toEqual(origins);
    expect(
      prebuiltAppConfig.model_list.every(({ model_id: id }) => readRuntime('seats', `web-llm:${id}`).address === id),
    ).toBe(true);
  });

  it('refuses top-k, which it does not have', async () => {
    const sampling = { ...config.sampling, topK: 5 };
    await expect(setUp().voice(undefined, { ...config, sampling })).rejects.toThrow(/Set top-k to 0/);
  });
});

describe('what goes wrong before the package sees a file', () => {
  const broken = (change: (files: Map<string, Uint8Array>) => void): void =>
    change(hub.repos.get('me/tiny-MLC')!.files);

  it.each([
    ['params_shard_1.bin', /params_shard_1\.bin is missing.*Choose a repository that MLC made/],
    ['mlc-chat-config.json', /mlc-chat-config\.json is missing/],
    ['tokenizer.json', /tokenizer\.json is missing/],
  ])('names the missing file %s', async (path, message) => {
    broken((files) => files.delete(path));
    await expect(setUp().voice()).rejects.toMatchObject({
      name: 'VoiceModelError',
      message: expect.stringMatching(message),
    });
  });

  it('names a shard that is shorter than the model’s own list says', async () => {
    broken((files) => files.set('params_shard_1.bin', files.get('params_shard_1.bin')!.slice(0, 4000)));
    await expect(setUp().voice()).rejects.toThrow(
      /params_shard_1\.bin has 4000 bytes, and tensor-cache\.json names 5000/,
    );
  });

  it('names a model of an older package', async () => {
    broken((files) => files.set('ndarray-cache.json', files.get('tensor-cache.json')!).delete('tensor-cache.json'));
    await expect(setUp().voice()).rejects.toThrow(/made for web-llm before/);
  });

  it('notices a shard whose bytes are others than the hub announced', async () => {
    hub.fault = ({ place, path }) => (place === 'cdn' && path === 'params_shard_0.bin' ? { kind: 'corrupt' } : null);
    const { voice, started } = setUp();
    await expect(voice()).rejects.toThrow(/params_shard_0\.bin/);
    expect(started[0]!.files).toEqual([]);
  });

  it('goes on with a download that was cut', async () => {
    let cut = 0;
    hub.fault = ({ place }) => (place === 'cdn' && cut++ === 0 ? { kind: 'cut', after: 100 } : null);
    await expect(setUp().voice()).resolves.toBeDefined();
  });

  it('names a library that is not there, and one that is a page', async () => {
    libraryBytes = null;
    await expect(setUp().voice()).rejects.toThrow(/model-webgpu\.wasm: there is no such file \(HTTP 404\)/);
    libraryBytes = new TextEncoder().encode('<!doctype html>Not found');
    await expect(setUp().voice()).rejects.toThrow(/no WebAssembly, or only a part of it/);
  });

  it('says that there is no GPU before anything is downloaded', async () => {
    const { voice } = setUp([{ adapter: false }]);
    await expect(voice()).rejects.toMatchObject({
      name: 'VoiceDeviceError',
      message: expect.stringMatching(/no GPU for it here.*seat transformers\.js with the device wasm/),
    });
    expect(hub.requests).toEqual([]);
  });
});

describe('what goes wrong in the package', () => {
  const failing = (error: unknown) => setUp([{ load: () => Promise.reject(error as Error) }]).voice();
  const named = (name: string, message: string) => Object.assign(new Error(message), { name });

  it.each([
    [
      named('LinkError', 'WebAssembly.Instance(): Import #5 "env" "_ZTv": …'),
      'VoiceModelError',
      /another version of web-llm/,
    ],
    [named('CompileError', 'expected magic word'), 'VoiceModelError', /no WebAssembly/],
    [
      new Error('Unable to find a compatible GPU. This issue might be because …'),
      'VoiceDeviceError',
      /there is no GPU/,
    ],
    [
      named('ShaderF16SupportError', 'This model requires WebGPU extension shader-f16'),
      'VoiceDeviceError',
      /f32 in the place of f16/,
    ],
    [
      named('ExitStatus', 'Program terminated with exit(1)'),
      'VoiceModelError',
      /weights and library do not belong together/,
    ],
    [
      "TypeError: Failed to execute 'add' on 'Cache': Request failed",
      'VoiceModelError',
      /a file of the model is missing/,
    ],
    ['something odd', 'VoiceModelError', /something odd\. Take another model/],
  ])('has a message for %s', async (error, name, message) => {
    await expect(failing(error)).rejects.toMatchObject({ name, message: expect.stringMatching(message) });
  });

  it('says which libraries it takes when one cannot be linked', async () => {
    const module = new WebAssembly.Module(FOREIGN_LIBRARY);
    const load = (): void => void new WebAssembly.Instance(module, { env: {} });
    await expect(setUp([{ load }]).voice()).rejects.toThrow(
      /another version of web-llm \(web-llm 0\.0\.0 takes libraries of v0_0_0; .*TVMOldX/,
    );
  });

  it('names a file that the store does not have', async () => {
    await expect(setUp([{ wants: ['params_shard_9.bin'] }]).voice()).rejects.toThrow(
      /a file of the model is missing \(params_shard_9\.bin is not among/,
    );
  });

  it('begins a new worker when the device is lost while it loads, which the package keeps to itself', async () => {
    const { voice, started } = setUp([{ load: (_, lose) => lose('out of memory') }, {}]);
    const made = await voice();
    expect(started.length).toBe(2);
    expect(started[0]!.worker.ended).toBe(true);
    expect((await made.ask(questions(1)))[0]?.text).toBe('42');
  });

  it('gives up a device that is lost again and again', async () => {
    const { voice, started } = setUp([{ load: (_, lose) => lose('out of memory') }]);
    await expect(voice()).rejects.toMatchObject({
      name: 'VoiceDeviceError',
      message: expect.stringMatching(/the device was lost.*out of memory.*Take a smaller model/),
    });
    expect(started.length).toBe(3);
  });

  it('asks again of a new worker when a later request finds no model, as after a lost device', async () => {
    const lost = (_: number, nth: number): string[] => {
      if (nth < 3) return ['4', '2'];
      throw named('ModelNotLoadedError', 'Model not loaded before calling chat.completions.create()');
    };
    const { voice, started } = setUp([{ answer: lost }, {}]);
    const made = await voice();
    expect((await made.ask(questions(2))).map(({ text }) => text)).toEqual(['42', '42']);
    expect(started.length).toBe(2);
  });
});

describe('what goes wrong with its worker', () => {
  it('does not wait for one that never starts', async () => {
    const start = () => fakeWorker(null);
    const clock = new HandClock();
    const request = {
      spec: readRuntime('seats', `web-llm:${hub.endpoint}/me/tiny-MLC#${library}`),
      config,
      signal: new AbortController().signal,
    };
    const opening = openWebLlmVoice({ start, openStore: async () => store(), clock }, request);
    opening.catch(() => {});
    await delivered();
    await clock.pass(60_500);
    await expect(opening).rejects.toMatchObject({
      name: 'VoiceWorkerError',
      message: expect.stringMatching(/could not be started.*Resume the run/),
    });
  });

  it('does not wait for one whose script is missing', async () => {
    const start = () => {
      const worker = fakeWorker(null);
      setTimeout(() => worker.onTrouble('404', false));
      return worker;
    };
    const request = {
      spec: readRuntime('seats', 'web-llm:any'),
      config,
      signal: new AbortController().signal,
    };
    await expect(openWebLlmVoice({ start, openStore: async () => store() }, request)).rejects.toMatchObject({
      name: 'VoiceWorkerError',
      message: expect.stringMatching(/could not be started \(404\)/),
    });
  });

  it('tells of one that falls silent, and asks the next question of a new one', async () => {
    const { voice, started, clock } = setUp();
    const made = await voice();
    started[0]!.worker.mute();
    const asking = made.ask(questions(1));
    asking.catch(() => {});
    await clock.pass(181_000);
    await expect(asking).rejects.toMatchObject({
      name: 'VoiceWorkerError',
      message: expect.stringMatching(/did not answer for 180 seconds.*Resume the run/),
    });
    expect((await made.ask(questions(1)))[0]?.text).toBe('42');
    expect(started.length).toBe(2);
  });

  it('does not wait for ever for a call that goes on and on', async () => {
    const pending = new Promise<void>(() => {});
    const { voice, clock, started } = setUp([{ load: () => pending }]);
    const opening = voice();
    opening.catch(() => {});
    await expect.poll(() => started[0]?.files.length).toBe(5);
    const { heart } = started[0]!.worker;
    // It beats and says that it works, for longer than opening may take.
    for (let minute = 0; minute < 31; minute++) {
      heart.worked();
      await clock.pass(60_000);
    }
    await expect(opening).rejects.toThrow(/took longer than 1800 seconds/);
  });
});

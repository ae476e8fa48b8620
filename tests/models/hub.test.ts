/** What is known and refused before a download begins. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  HubAnswerError,
  ModelAccessError,
  ModelNameError,
  ModelNotFoundError,
  OfflineError,
  RateLimitError,
  RevisionNotFoundError,
  TransferError,
  UnsupportedModelError,
} from '../../src/models/errors';
import { resolveHubModel, type HubOptions } from '../../src/models/hub';
import { readHubName } from '../../src/models/hubName';
import { retryAfterMs } from '../../src/models/retry';
import { HubServer, pageFetch } from './hubServer';
import { COMMIT, CONFIG, REPO, PATIENT_MS, fastClock, openRepo, repoFiles, shardedFiles } from './samples';

const hub = new HubServer();
beforeAll(() => hub.start());
afterAll(() => hub.stop());
beforeEach(() => {
  hub.reset();
  hub.repos.clear();
  hub.repos.set(REPO, openRepo());
});

const options = (more: HubOptions = {}): HubOptions => ({
  endpoint: hub.endpoint,
  fetch: pageFetch,
  clock: fastClock(),
  answerMs: PATIENT_MS,
  ...more,
});
/** What was waited for, time limits of requests aside. */
const waits = (clock: { waits: number[] }) => clock.waits.filter((ms) => ms < PATIENT_MS);
const changed = (path: string, content: string | null) => {
  const files = repoFiles();
  if (content === null) files.delete(path);
  else files.set(path, new TextEncoder().encode(content));
  hub.repos.set(REPO, openRepo(files));
};
const asksForWeights = () => hub.requests.some(({ path }) => path.endsWith('.safetensors'));

describe('resolveHubModel', () => {
  it('pins a revision to its commit and knows every needed file with size and hash', async () => {
    const manifest = await resolveHubModel(REPO, 'main', options());
    expect(manifest).toMatchObject({ id: `${REPO}@${COMMIT}`, revision: COMMIT, requested: 'main', repo: REPO });
    const files = repoFiles();
    const names = [
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ];
    expect(manifest.files.map(({ path }) => path).sort()).toEqual(names);
    for (const { path, size, sha256, gitSha1 } of manifest.files) {
      const bytes = files.get(path) as Uint8Array;
      expect(size).toBe(bytes.length);
      if (sha256 !== null) expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
      else expect(gitSha1).toBe(createHash('sha1').update(`blob ${size}\0`).update(bytes).digest('hex'));
    }
    expect(asksForWeights()).toBe(false);
  });

  it('takes the shards that the index names, or one weights file where both are there', async () => {
    hub.repos.set(REPO, openRepo(shardedFiles().set('other.safetensors', new Uint8Array(10))));
    const names = async () => (await resolveHubModel(REPO, COMMIT, options())).files.map(({ path }) => path);
    const weights = (await names()).filter((name) => name.includes('safetensors')).sort();
    expect(weights).toEqual([
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
    ]);
    hub.repos.set(REPO, openRepo(shardedFiles().set('model.safetensors', new Uint8Array(10))));
    expect((await names()).filter((name) => name.includes('safetensors'))).toEqual(['model.safetensors']);
  });

  it('refuses what this engine does not run, before any weights', async () => {
    const refuses = async (message: RegExp) => {
      const attempt = resolveHubModel(REPO, 'main', options());
      await expect(attempt).rejects.toThrow(UnsupportedModelError);
      await expect(attempt).rejects.toThrow(message);
      expect(asksForWeights()).toBe(false);
    };
    changed('config.json', JSON.stringify({ ...CONFIG, architectures: ['MambaForCausalLM'] }));
    await refuses(/MambaForCausalLM is not supported.*choose another model/);
    changed('config.json', '{');
    await refuses(/is not JSON/);
    changed('config.json', null);
    await refuses(/no config\.json/);
    changed('model.safetensors', null);
    await refuses(/no config\.json with model\.safetensors beside it, only \.bin/);
    changed('tokenizer.json', null);
    await refuses(/tokenizer\.json is missing/);
    const adapter = new Map([['adapter_config.json', new Uint8Array(2)]]);
    hub.repos.set(REPO, openRepo(adapter));
    await refuses(/is an adapter/);
    const lacking = shardedFiles();
    lacking.delete('model-00002-of-00002.safetensors');
    hub.repos.set(REPO, openRepo(lacking));
    await refuses(/model-00002-of-00002\.safetensors is missing/);
  });

  it('tells a missing repository from a missing revision and a wrong name', async () => {
    await expect(resolveHubModel('tiny/none', 'main', options())).rejects.toThrow(ModelNotFoundError);
    const revision = resolveHubModel(REPO, 'v2', options());
    await expect(revision).rejects.toThrow(RevisionNotFoundError);
    await expect(revision).rejects.toThrow(/no revision "v2"/);
    for (const name of ['', 'a/b/c', '../x', 'a/..', 'a b', 'https://huggingface.co/a/b', 'a/b?x']) {
      await expect(resolveHubModel(name, 'main', options())).rejects.toThrow(ModelNameError);
    }
    for (const name of ['', 'a..b', 'a b'])
      await expect(resolveHubModel(REPO, name, options())).rejects.toThrow(ModelNameError);
  });

  it('says what a gated model needs', async () => {
    hub.repos.set(REPO, { ...openRepo(), token: 'hf_good', knownTokens: ['hf_other'] });
    const problem = async (token: string | null) => {
      const error: unknown = await resolveHubModel(REPO, 'main', options({ token })).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ModelAccessError);
      return (error as ModelAccessError).problem;
    };
    expect(await problem(null)).toBe('token-missing');
    expect(await problem('hf_other')).toBe('not-granted');
    expect(await problem('hf_unknown')).toBe('token-refused');
    expect((await resolveHubModel(REPO, 'main', options({ token: ' hf_good\n' }))).revision).toBe(COMMIT);
    await expect(resolveHubModel(REPO, 'main', options({ token: 'hf_a b' }))).rejects.toThrow(ModelNameError);
    // Who has no access may not even be told the sizes.
    hub.repos.set(REPO, { ...openRepo(), token: 'hf_good', knownTokens: ['hf_other'], secretive: true });
    expect(await problem(null)).toBe('token-missing');
    expect(await problem('hf_other')).toBe('not-granted');
    expect((await resolveHubModel(REPO, 'main', options({ token: 'hf_good' }))).files).toHaveLength(5);
  });

  it('tells a token that the hub does not know from a repository that is not there', async () => {
    hub.repos.set(REPO, { ...openRepo(), token: 'hf_good' });
    await expect(resolveHubModel('tiny/none', 'main', options({ token: 'hf_good' }))).rejects.toThrow(
      ModelNotFoundError,
    );
    hub.fault = () => ({
      kind: 'status',
      status: 401,
      headers: { 'x-error-message': 'Invalid username or password.' },
    });
    const refused = resolveHubModel(REPO, 'main', options({ token: 'hf_stale' }));
    await expect(refused).rejects.toMatchObject({ problem: 'token-refused' });
  });

  it('sends no token over an unencrypted connection to another machine', async () => {
    const attempt = resolveHubModel(REPO, 'main', options({ endpoint: 'http://hub.example', token: 'hf_good' }));
    await expect(attempt).rejects.toThrow(/not encrypted/);
  });

  it('waits as long as a 429 asks for', async () => {
    const asked: Record<string, string>[] = [{ 'retry-after': '7' }, { ratelimit: '"api";r=0;t=7' }];
    for (const headers of asked) {
      const clock = fastClock();
      let refused = 0;
      hub.fault = () => (refused++ < 2 ? { kind: 'status', status: 429, headers } : null);
      await resolveHubModel(REPO, 'main', options({ clock, fetch }));
      expect(clock.waits.filter((ms) => ms >= 7000 && ms < 7600)).toHaveLength(2);
    }
    hub.fault = () => ({ kind: 'status', status: 429, headers: { 'retry-after': '3600' } });
    const attempt = resolveHubModel(REPO, 'main', options({ fetch }));
    await expect(attempt).rejects.toThrow(RateLimitError);
    await expect(attempt).rejects.toThrow(/in 3600 s/);
  });

  it('outlasts the hub’s window of five minutes where a page cannot read what a 429 asks for', async () => {
    const clock = fastClock();
    hub.fault = () => ({ kind: 'status', status: 429, headers: { 'retry-after': '7', ratelimit: '"api";r=0;t=7' } });
    const attempt = resolveHubModel(REPO, 'main', options({ clock, random: () => 0 }));
    await expect(attempt).rejects.toThrow(RateLimitError);
    await expect(attempt).rejects.toThrow(/in a few minutes/);
    expect(waits(clock).filter((ms) => ms >= 15_000)).toEqual([15_000, 30_000, 60_000, 120_000, 120_000]);
  });

  it('asks again when no answer comes', async () => {
    const seen = () => hub.requests.map(({ path }) => path);
    let silent = 1;
    hub.fault = () => (silent-- > 0 ? { kind: 'silence' } : null);
    await resolveHubModel(REPO, 'main', options({ answerMs: 1_000_000 }));
    expect(seen().filter((path) => path === '')).toHaveLength(2);
    hub.reset();
    hub.fault = ({ place }) => (place === 'cache' ? { kind: 'stall', after: 3 } : null);
    const attempt = resolveHubModel(REPO, 'main', options({ answerMs: 1_000_000, attempts: 2 }));
    await expect(attempt).rejects.toThrow(/config\.json: no answer within 1000 s/);
    expect(hub.requests.filter(({ place }) => place === 'cache')).toHaveLength(2);
  });

  it('names a renamed repository as the hub does now', async () => {
    hub.renamed.set('Old/Name', REPO);
    hub.renamed.set('oldest', REPO);
    for (const name of ['Old/Name', 'oldest']) {
      const manifest = await resolveHubModel(name, 'main', options());
      expect(manifest).toMatchObject({ id: `${REPO}@${COMMIT}`, repo: REPO });
    }
  });

  it('needs sizes and hashes of the files alone that it loads', async () => {
    const listing = { id: REPO, sha: COMMIT, siblings: [] as object[] };
    const described = async (broken: object) => {
      hub.fault = () => null;
      const answer = await fetch(`${hub.endpoint}/api/models/${REPO}/revision/main`);
      const { siblings } = (await answer.json()) as { siblings: object[] };
      listing.siblings = [...siblings, broken];
      hub.fault = ({ place }) =>
        place === 'api' ? { kind: 'status', status: 200, body: JSON.stringify(listing) } : null;
      return resolveHubModel(REPO, 'main', options());
    };
    expect((await described({ rfilename: 'notes.bin' })).files).toHaveLength(5);
    await expect(described({ rfilename: 'chat_template.jinja' })).rejects.toThrow(/no size or hash for chat_template/);
  });

  it('backs off exponentially with jitter and gives up with a typed error', async () => {
    hub.fault = () => ({ kind: 'status', status: 503 });
    const low = fastClock();
    await expect(resolveHubModel(REPO, 'main', options({ clock: low, random: () => 0 }))).rejects.toThrow(
      TransferError,
    );
    expect(waits(low)).toEqual([250, 500, 1000, 2000, 4000]);
    const high = fastClock();
    await expect(resolveHubModel(REPO, 'main', options({ clock: high, random: () => 1 }))).rejects.toThrow(/HTTP 503/);
    expect(waits(high)).toEqual([500, 1000, 2000, 4000, 8000]);
  });

  it('says that it is offline, and stops when asked to', async () => {
    const offline = resolveHubModel(REPO, 'main', options({ endpoint: 'http://127.0.0.1:9' }));
    await expect(offline).rejects.toThrow(OfflineError);
    await expect(offline).rejects.toThrow(
      /127\.0\.0\.1:9 cannot be reached.*try again; a download that was begun goes on/,
    );
    const cancel = new AbortController();
    hub.fault = () => (cancel.abort(new Error('enough')), { kind: 'status', status: 503 });
    await expect(resolveHubModel(REPO, 'main', options({ signal: cancel.signal }))).rejects.toThrow('enough');
  });

  it('refuses answers that are not the hub’s', async () => {
    const bodies = ['<html>', '{}', JSON.stringify({ sha: COMMIT, siblings: [{ rfilename: 'config.json' }] })];
    for (const body of bodies) {
      hub.fault = () => ({ kind: 'status', status: 200, body });
      await expect(resolveHubModel(REPO, 'main', options())).rejects.toThrow(HubAnswerError);
    }
    hub.fault = ({ path }) => (path === 'config.json' ? { kind: 'corrupt' } : null);
    await expect(resolveHubModel(REPO, 'main', options())).rejects.toThrow(/not what the hub announced/);
  });
});

it('reads names and addresses as they are copied', () => {
  const cases: [string, string, string][] = [
    [' Qwen/Qwen3-0.6B ', 'Qwen/Qwen3-0.6B', 'main'],
    ['Qwen/Qwen3-0.6B@v1.0', 'Qwen/Qwen3-0.6B', 'v1.0'],
    ['https://huggingface.co/Qwen/Qwen3-0.6B/', 'Qwen/Qwen3-0.6B', 'main'],
    ['huggingface.co/Qwen/Qwen3-0.6B', 'Qwen/Qwen3-0.6B', 'main'],
    ['https://hf.co/Qwen/Qwen3-0.6B?show_file_info=model.safetensors', 'Qwen/Qwen3-0.6B', 'main'],
    ['https://huggingface.co/Qwen/Qwen3-0.6B/tree/refs%2Fpr%2F1', 'Qwen/Qwen3-0.6B', 'refs/pr/1'],
    ['https://mirror.example/Qwen/Qwen3-0.6B/blob/abc/config.json#L3', 'Qwen/Qwen3-0.6B', 'abc'],
    ['gpt2', 'gpt2', 'main'],
    ['https://huggingface.co/datasets/openai/gsm8k', 'datasets/openai/gsm8k', 'main'],
  ];
  for (const [text, repo, revision] of cases) expect(readHubName(text)).toEqual({ repo, revision });
});

it('reads Retry-After as seconds and as a date', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  const after = (value: string) => retryAfterMs(new Headers({ 'retry-after': value }), now);
  expect(after('12')).toBe(12_000);
  expect(after('Thu, 01 Jan 2026 00:00:30 GMT')).toBe(30_000);
  expect(after('soon')).toBeNull();
  expect(retryAfterMs(new Headers(), now)).toBeNull();
});

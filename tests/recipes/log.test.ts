import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { canonicalJson } from '../../src/log/canonical';
import { digestOf, hashAdapter, LogDigest } from '../../src/log/digest';
import { LogError } from '../../src/log/errors';
import { resultsOf } from '../../src/log/results';
import { estimateWork } from '../../src/recipes/work';
import { pairedComparison } from '../../src/society/statistics';
import { FakeRuntime, hash, logOf, of, smallConfig } from './fakeRuntime';

describe('canonical JSON', () => {
  it('sorts keys, writes no white space and keeps array order', () => {
    expect(canonicalJson({ b: [2, 1, { z: null, a: 'ä"' }], a: true, Z: -0 })).toBe(
      '{"Z":0,"a":true,"b":[2,1,{"a":"ä\\"","z":null}]}',
    );
  });

  it.each([
    [{ a: undefined }, '$.a'],
    [{ a: [1, NaN] }, '$.a[1]'],
    [{ a: { b: Infinity } }, '$.a.b'],
    [[() => 1], '$[0]'],
    [{ a: new Map() }, '$.a: Map'],
    // eslint-disable-next-line no-sparse-arrays
    [[1, , 2], '$[1]'],
  ])('refuses what JSON would lose, with its place (%#)', (value, place) => {
    expect(() => canonicalJson(value)).toThrow(LogError);
    expect(() => canonicalJson(value)).toThrow(place);
  });
});

describe('digest', () => {
  const events: RunEvent[] = [
    { type: 'iteration-started', iteration: 1 },
    { type: 'run-finished', iterations: 1 },
  ];

  it('is a documented chain', () => {
    // Computed with Python's hashlib from the definition in src/log/digest.ts.
    expect(new LogDigest().hex).toBe('0'.repeat(64));
    expect(digestOf(events.slice(0, 1))).toBe('a52cbf6290e974ee324f3d6ac3ab4f79591206a34768cf6d1106d4ce96c488e7');
    expect(digestOf(events)).toBe('84ef8296245ec851b6097fb66d0eba68f318151dba726d2ca2a6e56b031ba63c');
  });

  it('goes on from its state and depends on the order', () => {
    const first = new LogDigest().add(events[0] as RunEvent);
    expect(new LogDigest(first.hex).add(events[1] as RunEvent).hex).toBe(digestOf(events));
    expect(digestOf([...events].reverse())).not.toBe(digestOf(events));
    expect(() => new LogDigest('abc')).toThrow(LogError);
  });

  it('is left alone by an event that cannot be kept', () => {
    const digest = new LogDigest();
    expect(() => digest.add({ type: 'iteration-started', iteration: NaN })).toThrow(LogError);
    expect(digest.hex).toBe(new LogDigest().hex);
  });

  it('hashes an adapter with its configuration: alpha 16 is another adapter than alpha 1600', () => {
    const tensors = new Map([['a', { shape: [2], data: new Float32Array([1, 2]) }]]);
    const hashed = (alpha: number) => hashAdapter({ config: { rank: 8, alpha, targets: ['q_proj'] }, tensors });
    expect(hashed(16)).not.toBe(hashed(1600));
    expect(hashed(16)).toBe(hashed(16));
    const config = { rank: 8, alpha: 16, targets: ['v_proj', 'q_proj'] as const };
    const alike = { rank: 8, alpha: 16, targets: ['q_proj', 'v_proj'] as const, rslora: false };
    expect(hashAdapter({ config: { ...config, targets: [...config.targets] }, tensors })).toBe(
      hashAdapter({ config: { ...alike, targets: [...alike.targets] }, tensors }),
    );
  });

  it('hashes adapters by name, shape and values, whatever the order and the buffer', () => {
    const config = { rank: 1, alpha: 1, targets: [] };
    const a = { shape: [2], data: new Float32Array([1, 2]) };
    const b = { shape: [1], data: new Float32Array([9, 3, 9]).subarray(1, 2) };
    const one = hashAdapter({
      config,
      tensors: new Map([
        ['a', a],
        ['b', b],
      ]),
    });
    expect(
      hashAdapter({
        config,
        tensors: new Map([
          ['b', b],
          ['a', a],
        ]),
      }),
    ).toBe(one);
    expect(
      hashAdapter({
        config,
        tensors: new Map([
          ['a', { ...a, shape: [1, 2] }],
          ['b', b],
        ]),
      }),
    ).not.toBe(one);
    expect(hashAdapter({ config, tensors: new Map([['a', a]]) })).not.toBe(one);
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(one).not.toBe(hash(''));
  });
});

describe('results', () => {
  it('are a view of the log', async () => {
    const events = await logOf(new FakeRuntime(), smallConfig());
    const results = resultsOf(events);
    expect(results.finished).toBe(true);
    expect(results.iterations.map(({ iteration }) => iteration)).toEqual([0, 1, 2]);
    const debateOf = (learner: string, iteration: number) =>
      of(events, 'evaluation').find((one) => one.learner === learner && one.iteration === iteration)?.scores[2];
    const base = debateOf('base', 0);
    const society = debateOf('society', 2);
    const last = results.iterations[2];
    expect(last?.methods['societyDebate']).toMatchObject({
      right: society?.right,
      n: 10,
      unreadable: society?.unreadable,
    });
    expect(last?.methods['societyDebate']?.accuracy).toBe((society?.right ?? 0) / 10);
    // The base is measured once and shown in every iteration; before finetuning every team is the base.
    for (const { methods } of results.iterations) expect(methods['debate']?.right).toBe(base?.right);
    expect(results.iterations[0]?.methods['societyDebate']).toEqual(results.iterations[0]?.methods['debate']);
    expect(results.iterations[0]?.comparisons).toEqual([]);
    // First what the method claims: the society against one model that learns alone.
    expect(last?.comparisons[0]).toMatchObject({ first: 'societyDebate', second: 'singleAgentDebate' });
    expect(last?.comparisons[1]).toEqual({
      first: 'societyDebate',
      second: 'debate',
      ...pairedComparison(society?.correct ?? '', base?.correct ?? ''),
    });
    expect(last?.datasets.map(({ adapter, size }) => [adapter, size])).toEqual(
      events.flatMap((event) =>
        event.type === 'dataset' && event.iteration === 2 ? [[event.adapter, event.examples.length]] : [],
      ),
    );
    const labels = last?.pseudoLabels['society'];
    expect(labels?.coverage).toBe((labels?.accepted ?? 0) / 14);
    expect(labels?.byVotes.reduce((sum, bin) => sum + bin.problems, 0)).toBe(14);
    expect(last?.losses.map(({ adapter }) => adapter)).toContain('critic-2');
    expect(JSON.parse(JSON.stringify(results))).toEqual(results);
  });

  it('grow with a log that is not finished and leave out a baseline that does not run', async () => {
    const events = await logOf(new FakeRuntime(), smallConfig({ singleAgentBaseline: 'false' }));
    for (let end = 0; end <= events.length; end += 7) expect(resultsOf(events.slice(0, end)).finished).toBe(false);
    const methods = resultsOf(events).iterations.flatMap((iteration) => Object.keys(iteration.methods));
    expect(methods.filter((key) => key.startsWith('singleAgent'))).toEqual([]);
    expect(resultsOf([])).toMatchObject({ config: null, iterations: [] });
  });

  it('the estimate of responses is what a run asks for', async () => {
    const runtime = new FakeRuntime();
    await logOf(runtime, smallConfig());
    expect(estimateWork(smallConfig()).calls).toBe(runtime.asked.flat().length);
  });
});

/** Links: they hold any setting, arrive whole, and whatever else comes is refused in words. */
import { deflateSync } from 'fflate';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { describe, expect, it } from 'vitest';
import { createRng } from '../../tools/soak/rng';
import { recipes } from '../../src/recipes';
import type { RunConfig } from '../../src/recipes/config';
import { resolveConfig } from '../../src/recipes/resolve';
import { fromBase64Url, toBase64Url } from '../../src/share/base64url';
import { LinkError, LinkTooLongError } from '../../src/share/errors';
import { decodeLink, encodeLink, linkOf, LONGEST_LINK, type Link } from '../../src/share/link';
import type { Receipt } from '../../src/log/receipt';
import { GOLDEN_CONTENT, GOLDEN_LINKS } from './goldenLinks';
import { expectNoRequests } from './nothingAsked';

expectNoRequests();

const HEX = '0123456789abcdef'.repeat(4);

/** A receipt as large as a preset's run has one: every digest and score differs from the others. */
function largeReceipt(config: RunConfig): Receipt {
  const methods = recipes()
    .find(({ id }) => id === config.recipe)!
    .cast(config).methods;
  const iterations = Array.from({ length: config.iterations + 1 }, (_, l) => l);
  const digest = (seed: number): string => Buffer.from(sha256(Uint8Array.of(seed))).toString('hex');
  return {
    digest: digest(1),
    discreteDigest: digest(2),
    events: 11_174,
    iterations: iterations.map((l) => digest(10 + l).slice(0, 16)),
    scores: methods.map(({ key }, m) => ({
      method: key,
      n: 500,
      right: iterations.map((l) => (l * 97 + m * 61) % 501),
    })),
  };
}

const REVISION = linkOf(resolveConfig('arithmetic-tiny')).preset.revision;

function resealed(text: string): string {
  const packed = deflateSync(utf8ToBytes(text));
  return `#1${toBase64Url(Uint8Array.of(...sha256(packed).subarray(0, 4), ...packed))}`;
}

const PRESETS = recipes().flatMap((recipe) =>
  Object.keys(recipe.presets).map((preset) => [recipe.id, preset] as const),
);

describe('a link', () => {
  it.each(PRESETS)('holds %s, %s with what came out, and arrives whole', (recipe, preset) => {
    const file: Record<string, string> = preset.startsWith('gsm8k')
      ? { 'data.name': 'train.jsonl', 'data.sha256': HEX }
      : {};
    const config = resolveConfig(preset, { seed: 123_456_789, ...file }, recipe);
    const link: Link = {
      ...linkOf(config, { receipt: largeReceipt(config) }),
      modelHash: HEX,
      engine: { name: 'webgpu: nvidia ampere, products and adapters in f16, keys and values in f16', arithmetic: 1 },
    };
    const fragment = encodeLink(link);
    expect(fragment.length).toBeLessThanOrEqual(LONGEST_LINK - 80);
    expect(fragment).toMatch(/^#1[\w-]+$/);
    expect(decodeLink(`https://example.org/lab/${fragment}`)).toEqual({ link, config, missing: [] });
  });

  it('holds a configuration whose differences alone would give another one', () => {
    // A chat task on a preset of the compact dialect takes the chat defaults, unless the setting is given.
    const config = resolveConfig('arithmetic-quick', {
      task: 'arithmetic-chat',
      'sampling.maxTokens': 64,
      model: 'some/chat-model',
    });
    expect(decodeLink(encodeLink(linkOf(config))).config).toEqual(config);
  });

  it('holds lists and none', () => {
    const config = resolveConfig('arithmetic', { 'adapter.targets': 'q_proj,v_proj', 'finetune.clip': 'none' });
    expect(decodeLink(encodeLink(linkOf(config))).config).toEqual(config);
  });

  it('says what is too long for it', () => {
    const names = Array.from({ length: 400 }, (_, n) => `${(n * 7919) % 1009}key${(n * 31) % 997}`);
    const config = resolveConfig('arithmetic', { ignoreConfig: names.join(',') });
    expect(() => encodeLink(linkOf(config))).toThrow(LinkTooLongError);
    expect(() => encodeLink(linkOf(config))).toThrow(/ignoreConfig takes the most room: share the bundle/);
  });

  it.each(Object.entries(GOLDEN_LINKS))('is read as long as this program lives: %s', (name, text) => {
    expect(decodeLink(text).link).toMatchObject(GOLDEN_CONTENT[name as keyof typeof GOLDEN_LINKS]);
  });
});

describe('what this build lacks', () => {
  const config = resolveConfig('arithmetic-tiny');
  const decoded = (changed: Partial<Link>) => decodeLink(encodeLink({ ...linkOf(config), ...changed }));

  it.each([
    ['another revision of the preset', { preset: { id: 'arithmetic-tiny', revision: 77 } }, /revision 77/],
    ['an unknown preset', { preset: { id: 'arithmetic-vast', revision: 1 } }, /no preset named arithmetic-vast/],
    ['an unknown recipe', { recipe: { id: 'telepathy', revision: 1 } }, /no recipe named telepathy/],
  ])('%s is said, and there are no settings', (_, changed, words) => {
    const { config, missing } = decoded(changed);
    expect(config).toBeNull();
    expect(missing.join(' ')).toMatch(words);
  });

  it.each([
    [
      'another revision of the recipe',
      { recipe: { id: 'multiagent-finetuning', revision: 9 } },
      /revision 9 of multiagent/,
    ],
    ['another revision of the task', { task: { id: 'arithmetic', revision: 9 } }, /revision 9 of the task/],
    [
      'another arithmetic',
      { engine: { name: 'exact: arithmetic 9', arithmetic: 9 } },
      /arithmetic 9 of the exact engine/,
    ],
  ])('%s is said beside the settings', (_, changed, words) => {
    const opened = decoded(changed);
    expect(opened.config).toEqual(config);
    expect(opened.missing).toHaveLength(1);
    expect(opened.missing[0]).toMatch(words);
  });
});

describe('what is no link', () => {
  const whole = GOLDEN_LINKS.settings;
  const payload = (changes: unknown): string =>
    JSON.stringify([
      ...['multiagent-finetuning', 1, 'arithmetic-tiny', REVISION, 'arithmetic', 1],
      changes,
      null,
      null,
      null,
    ]);

  it.each([
    ['', 'holds nothing'],
    ['https://example.org/', 'does not begin with the version'],
    [whole.slice(0, -3), 'a part of it is missing'],
    [`${whole}=`, 'a character that no link has'],
    [whole.replace('#1', '#2'), 'Open it with a newer one'],
    [`#1${'A'.repeat(9000)}`, '8192 are read'],
    ['#1', 'a part of it is missing'],
    [resealed('{"recipe":'), 'holds no settings'],
    [resealed('{}'), 'its part 0'],
    [resealed('[]'), 'its part 0'],
    [resealed(payload([['agents', 1e9]])), 'agents'],
    [resealed(payload([['__proto__.polluted', 'yes']])), '__proto__.polluted: is not a setting'],
    [resealed(payload([['__proto__', 'yes']])), '__proto__: is not a setting'],
    [resealed(payload([['constructor.prototype.polluted', 'yes']])), 'is not a setting'],
    [
      resealed(
        payload([
          ['seed', 1],
          ['seed', 2],
        ]),
      ),
      'sets a setting twice',
    ],
    [resealed(payload([['seed', { a: 1 }]])), 'its part 6.0.1'],
    [resealed(payload('x'.repeat(3e6))), 'does not unpack to at most 65536 bytes'],
  ])('%.40s is refused: %s', (text, words) => {
    expect(() => decodeLink(text)).toThrow(LinkError);
    expect(() => decodeLink(text)).toThrow(words);
    expect(Object.prototype).not.toHaveProperty('polluted');
  });

  it('100,000 mutated links are cards or refused in words', () => {
    const sources = Object.values(GOLDEN_LINKS);
    const { int: below } = createRng(13, 'links');
    const payloads = sources.map(payloadOf);
    let cards = 0;
    for (let round = 0; round < 100_000; round++) {
      const at = below(sources.length);
      const text =
        round % 4 === 0 ? mutatedPayload(payloads[at] as string, below) : mutatedText(sources[at] as string, below);
      try {
        decodeLink(text);
        cards++;
      } catch (error) {
        if (!(error instanceof LinkError)) throw error;
      }
    }
    // Payloads that were sealed again reach the checks behind the seal, and some of them are other experiments.
    expect(cards).toBeGreaterThan(100);
  });
});

const CHARACTERS = 'ABCDEFabcdef0189-_=#%&/ é\u0000"';

function mutatedText(text: string, below: (n: number) => number): string {
  const at = below(text.length + 1);
  const other = CHARACTERS[below(CHARACTERS.length)] as string;
  switch (below(4)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + other + text.slice(at + 1);
    case 2:
      return text.slice(0, at) + other + text.slice(at);
    default:
      return text.slice(at) + text.slice(0, at);
  }
}

/** What a link holds before it is packed, without its receipt. */
function payloadOf(text: string): string {
  const { recipe, preset, task, changes } = decodeLink(text).link;
  const revisions = [recipe, preset, task].flatMap(({ id, revision }) => [id, revision]);
  return JSON.stringify([...revisions, Object.entries(changes), null, null, null]);
}

/** With a character changed, and sealed again, so that the check passes. */
function mutatedPayload(payload: string, below: (n: number) => number): string {
  const at = below(payload.length);
  return resealed(payload.slice(0, at) + '0123456789-.,"[]{}azné'[below(21)] + payload.slice(at + 1));
}

describe('base64 for addresses', () => {
  it('gives back bytes of every length', () => {
    for (let length = 0; length < 40; length++) {
      const bytes = Uint8Array.from({ length }, (_, at) => (at * 89 + length) & 255);
      expect(toBase64Url(bytes)).toBe(Buffer.from(bytes).toString('base64url'));
      expect(fromBase64Url(toBase64Url(bytes))).toEqual(bytes);
    }
  });

  it('refuses a lone digit, other characters and loose bits', () => {
    expect(['A', 'AA=', 'A+', 'AB'].map(fromBase64Url)).toEqual([null, null, null, null]);
  });
});

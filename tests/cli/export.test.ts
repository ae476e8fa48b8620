/** `open`, `replay` and `export`: what is in a bundle, its log at the terminal, and its parts for other programs. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strFromU8, strToU8, unzipSync, zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAdapter } from '../../src/engine/peft';
import { folderSource } from '../../src/engine/loader-node';
import { readConfig } from '../../src/engine/stream';
import { hashAdapter } from '../../src/log/digest';
import { openBundle } from '../../src/share/openBundle';
import { runInPage } from '../../src/share/exports/page';
import { decodeLink } from '../../src/share/link';
import { main as exports } from '../../tools/cli/commands/export';
import { main as open } from '../../tools/cli/commands/open';
import { main as replay } from '../../tools/cli/commands/replay';
import { expectRefusal, objects, polylogue } from './program';
import { writeSmallBundle } from './smallBundle';

let scratch = '';
let bundle = '';
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'polylogue-export-'));
  bundle = join(scratch, 'run.zip');
  writeSmallBundle(bundle);
}, 600_000);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const filesOf = (): Record<string, Uint8Array> => unzipSync(new Uint8Array(readFileSync(bundle)));
const place = (name: string): string => join(scratch, name);
const listed = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(dir, name)).isFile())
    .map((name) => name.replaceAll('\\', '/'))
    .sort();

/** The bundle with a change in it. */
function changed(name: string, change: (files: Record<string, Uint8Array>) => void): string {
  const files = filesOf();
  change(files);
  writeFileSync(place(name), zipSync(files, { level: 0 }));
  return place(name);
}

describe('a bundle', () => {
  it('holds its data sets and says whose rights are in it', () => {
    const files = filesOf();
    expect(Object.keys(files)).toEqual(expect.arrayContaining(['datasets/README.md', 'datasets/all-sft.jsonl']));
    expect(strFromU8(files['LICENCES.md']!)).toContain('arithmetic-0.4m comes with Polylogue, under the MIT licence');
  });
});

describe('open', () => {
  it('says what is in a bundle', () => {
    const { code, out } = polylogue('open', bundle, '--json');
    expect(code).toBe(0);
    const card = objects(out)[0]!;
    const run = JSON.parse(strFromU8(filesOf()['run.json']!)) as { name: string; digest: string; events: number };
    expect(card).toMatchObject({ type: 'bundle', name: run.name, seed: 3, finished: true, iterations: 1 });
    expect(card).toMatchObject({ digest: run.digest, events: run.events, adapters: { announced: 7, held: 7 } });
    expect(decodeLink(card['link'] as string).link.receipt!.digest).toBe(run.digest);
    const text = polylogue('open', bundle).out;
    expect(text).toContain('claimed, not checked');
    expect(text).toContain(`log digest ${run.digest}`);
  });

  it('reads a log alone', () => {
    const log = place('log.jsonl');
    writeFileSync(log, filesOf()['log.jsonl']!);
    expect(polylogue('open', log).out).toContain('0 of 7 adapters');
  });

  it('says what a picture leads to', async () => {
    const link = polylogue('link', 'encode', '--preset', 'arithmetic-tiny', '--seed', '9').out.trim();
    const picture = place('picture.svg');
    writeFileSync(
      picture,
      `<svg xmlns="http://www.w3.org/2000/svg"><metadata id="polylogue">{"runs":[{"link":"${link}"}]}</metadata></svg>`,
    );
    expect(objects(polylogue('open', picture, '--json').out)[0]).toMatchObject({ type: 'link', seed: 9, link });
    writeFileSync(picture, '<svg xmlns="http://www.w3.org/2000/svg"/>');
    await expect(open([picture])).rejects.toThrow('is a picture without a link in it');
  });

  it('shows no character that a terminal obeys', () => {
    const file = changed('hostile.zip', (files) => {
      files['run.json'] = strToU8(JSON.stringify({ name: 'a\u001b]0;x\u0007\u202eb\nc' }));
    });
    expect(polylogue('open', file).out.split('\n')[0]).toBe('"a�]0;x��b c"');
  });
});

describe('replay', () => {
  it('plays every event in order', () => {
    const events = openBundle('run.zip', new Uint8Array(readFileSync(bundle))).events;
    const { code, out } = polylogue('replay', bundle, '--json');
    expect(code).toBe(0);
    expect(objects(out).map(({ event }) => event)).toEqual(JSON.parse(JSON.stringify(events)));
    const text = polylogue('replay', bundle, '--speed', '0').out;
    expect(text).toContain('— iteration 1 —');
    expect(text).toMatch(/generator A, answer in round 1: .*→ -?\d+ [✓✗]/);
    expect(text).toMatch(/finished after 1 iterations\n$/);
  });

  it('begins and ends where it is told', () => {
    const indices = (...args: string[]) =>
      objects(polylogue('replay', bundle, '--json', ...args).out).map(({ index }) => index);
    expect(indices('--from', '2', '--to', '5')).toEqual([2, 3, 4]);
    const whole = objects(polylogue('replay', bundle, '--json').out);
    const first = whole.findIndex(({ event }) => (event as { type: string }).type === 'iteration-started');
    expect(indices('--iteration', '1')[0]).toBe(first);
  });

  it.each([
    [['--iteration', '7'], 'has no iteration 7'],
    [['--from', '1', '--iteration', '1'], 'either --from or --iteration'],
    [['--from', '99999'], 'is above'],
    [['--speed=-1'], 'is below 0'],
  ])('%j is refused', (args, words) => expect(replay([bundle, ...args])).rejects.toThrow(words));
});

describe('export', () => {
  it('gives PEFT directories with the hashes of the log', async () => {
    const dir = place('peft');
    expect(polylogue('export', bundle, '--peft', dir, '--base', 'some/base').code).toBe(0);
    const { events } = openBundle('run.zip', new Uint8Array(readFileSync(bundle)));
    const model = await readConfig(folderSource('static/models/arithmetic-0.4m'));
    const versions = events.filter((event) => event.type === 'adapter');
    expect(listed(dir)).toHaveLength(2 * versions.length);
    for (const { adapter, iteration, hash } of versions) {
      const folder = join(dir, `iteration-${iteration}`, adapter);
      expect(hashAdapter(await loadAdapter(folderSource(folder), model))).toBe(hash);
      const config = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
      expect(config).toMatchObject({ peft_type: 'LORA', base_model_name_or_path: 'some/base' });
    }
  });

  it('gives the data sets of the bundle, and tables', () => {
    const [trl, results] = [place('trl'), place('results')];
    const { code, out } = polylogue(
      'export',
      bundle,
      '--trl',
      trl,
      '--results',
      results,
      '--json',
      '--site',
      'https://a.example/lab/',
    );
    expect(code).toBe(0);
    const inBundle = Object.keys(filesOf()).flatMap((name) =>
      name.startsWith('datasets/') ? [name.slice('datasets/'.length)] : [],
    );
    expect(listed(trl)).toEqual(inBundle.sort());
    expect(readFileSync(join(trl, 'all-sft.jsonl'))).toEqual(Buffer.from(filesOf()['datasets/all-sft.jsonl']!));
    expect(objects(out)[0]).toMatchObject({ type: 'exported', written: [{ dir: trl }, { dir: results }] });
    expect(readFileSync(join(results, 'results.md'), 'utf8')).toContain('`https://a.example/lab/#1');
  });

  it('gives one page, whose policy names its only script', () => {
    const file = place('page.html');
    const { code, out } = polylogue('export', bundle, '--html', file, '--site', 'https://a.example/lab/', '--json');
    expect(code).toBe(0);
    expect(objects(out)[0]).toEqual({ type: 'exported', written: [], html: file });
    const page = readFileSync(file, 'utf8');
    expect(page).toContain("default-src 'none'; script-src 'sha256-");
    expect(page.match(/<script>/g)).toHaveLength(1);
    const packed = /<script type="application\/octet-stream" id="run">([^<]*)</.exec(page)![1]!;
    const run = runInPage(packed);
    expect(run.link).toMatch(/^https:\/\/a\.example\/lab\/#1/);
    expect(run.events).toEqual(openBundle('run.zip', new Uint8Array(readFileSync(bundle))).events);
  });

  it.each([
    [
      'an adapter byte that was changed',
      'adapter_model.safetensors',
      'the adapter critic-0 of iteration 1 was changed',
    ],
    ['an adapter’s scale that was changed', 'adapter_config.json', 'the adapter critic-0 of iteration 1 was changed'],
  ])('refuses %s', (_, name, words) => {
    const file = changed('tampered.zip', (files) => {
      const path = `adapters/iteration-1/critic-0/${name}`;
      const bytes = files[path]!;
      if (name.endsWith('json'))
        files[path] = strToU8(strFromU8(bytes).replace(/"lora_alpha": \d+/, '"lora_alpha": 1600'));
      else bytes[bytes.length - 3]! ^= 1;
    });
    expectRefusal(polylogue('export', file, '--peft', place('never')), words);
    expect(existsSync(place('never'))).toBe(false);
  });

  it('refuses what it cannot write or does not know', async () => {
    const full = place('full');
    mkdirSync(full);
    writeFileSync(join(full, 'a.txt'), 'mine');
    await expect(exports([bundle, '--trl', full])).rejects.toThrow('is not empty; give a new folder');
    await expect(exports([bundle])).rejects.toThrow('say what for: --peft, --trl');
    await expect(exports([bundle, '--trl', place('x'), '--sft-shape', 'poem'])).rejects.toThrow(
      'none of prompt-completion, messages',
    );
    const log = place('alone.jsonl');
    writeFileSync(log, filesOf()['log.jsonl']!);
    await expect(exports([log, '--peft', place('y')])).rejects.toThrow('holds no adapters');
    expect(listed(full)).toEqual(['a.txt']);
  });
});

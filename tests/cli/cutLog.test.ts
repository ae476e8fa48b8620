/** A log that ends in the middle of a line, as a killed program or a full disk leaves it: what each command makes of it. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strFromU8, strToU8, unzipSync, zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/log/digest';
import { readEvents } from '../../src/log/read';
import { cutEnd } from '../../src/share/cutLog';
import { openBundle } from '../../src/share/openBundle';
import { keepCut, writeWhole } from '../../tools/cli/files';
import { openKept } from '../../tools/cli/resume';
import { expectRefusal, objects, polylogue } from './program';
import { writeSmallBundle } from './smallBundle';

const scratch = mkdtempSync(join(tmpdir(), 'polylogue-cut-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const at = (name: string): string => join(scratch, name);
function write(name: string, content: string): string {
  writeFileSync(at(name), content);
  return at(name);
}

/** Of a finished run; the log's first five lines need no adapters. */
let lines: string[] = [];
/** Four whole lines and the beginning of a fifth. */
let cut = '';
let end = '';
beforeAll(() => {
  writeSmallBundle(at('whole.zip'));
  lines = strFromU8(unzipSync(new Uint8Array(readFileSync(at('whole.zip'))))['log.jsonl']!)
    .trimEnd()
    .split('\n');
  end = lines[4]!.slice(0, 40);
  cut = write('log.jsonl', `${lines.slice(0, 4).join('\n')}\n${end}`);
}, 120_000);

describe('run --resume', () => {
  it('goes on from the line before, keeps the cut bytes and ends in the digest of the whole run', () => {
    const before = readFileSync(cut);
    const { code, out } = polylogue('run', '--resume', cut, '--engine', 'exact', '--workers', '1', '--json');
    expect(code).toBe(0);
    expect(objects(out)[0]).toEqual({ type: 'cut-line', file: cut, line: 5, bytes: end.length, kept: `${cut}.cut` });
    expect(objects(out).at(-1)).toMatchObject({ digest: digestOf(readEvents(lines)), events: lines.length });
    expect(readFileSync(`${cut}.cut`, 'utf8')).toBe(end);
    expect(readFileSync(cut).equals(before)).toBe(true);
  }, 60_000);

  it('says so in one sentence, and refuses a broken line in the middle by file and line', () => {
    const twice = write('twice.jsonl', `${readFileSync(cut, 'utf8')}\n${lines[4]!}\n`);
    expectRefusal(polylogue('run', '--resume', twice), 'twice.jsonl: line 5: event 4 is not JSON');
    expect(existsSync(`${twice}.cut`)).toBe(false);
    // The last line of a finished run: what is left to do needs its adapters, which a log alone lacks.
    const late = write('late.jsonl', lines.join('\n').slice(0, -3));
    const { err } = polylogue('run', '--resume', late, '--engine', 'exact', '--workers', '1');
    expect(err).toContain(
      `${late}: line ${lines.length} was not written to its end and is left out; its ${lines.at(-1)!.length - 3} bytes are kept in ${late}.cut.\n`,
    );
    expect(err).toContain('holds no adapters/iteration-1/');
  });
});

describe('a cut log', () => {
  it('is looked at up to there, and is no claim that could be verified', () => {
    const said = `${cut}: line 5 was not written to its end and is left out.\n`;
    const opened = polylogue('open', cut);
    expect([opened.code, opened.err]).toEqual([0, said]);
    expect(opened.out).toContain('not finished');
    expect(objects(polylogue('open', cut, '--json').out)[0]).toMatchObject({ type: 'bundle', events: 4, cut_line: 5 });
    const replayed = objects(polylogue('replay', cut, '--json').out);
    expect(replayed).toHaveLength(5);
    expect(replayed.at(-1)).toEqual({ type: 'cut', cut_line: 5 });
    expectRefusal(polylogue('verify', cut), 'line 5 was not written to its end; run --resume goes on');
  });

  it('is refused by a comparison, which keeps bundles alone', () => {
    expect(() => openKept(cut, readFileSync(cut))).toThrow('line 5 was not written to its end');
  });

  it('in a zip is damage: a zip is written as a whole', () => {
    const zip = zipSync({ 'log.jsonl': strToU8(readFileSync(cut, 'utf8')) });
    expect(() => openBundle('run.zip', zip, 'read')).toThrow('run.zip: line 5 of log.jsonl: event 4 is not JSON');
  });
});

describe('the end of a log', () => {
  const ending = (text: string) => cutEnd(strToU8(text));
  it.each([
    ['{"a":1}\n{"a":', 2, '{"a":'],
    ['{"a":1}\n\n{"b":1}\n{"a"\n', 4, '{"a"\n'],
    ['{"a":1}\n\0\0\0', 2, '\0\0\0'],
  ])('%j is cut', (text, line, rest) => {
    const found = ending(text)!;
    expect(found.cut.line).toBe(line);
    expect(strFromU8(found.cut.bytes)).toBe(rest);
    expect(strFromU8(found.whole) + rest).toBe(text);
  });

  it('may lie in the middle of a character', () => {
    const bytes = strToU8('{"a":1}\n{"a":"é"}').slice(0, -3);
    expect(cutEnd(bytes)!.cut).toEqual({ line: 2, bytes: bytes.slice(8) });
  });

  it.each(['', '\n', '{"a":1}', '{"a":1}\n{"b":2}', '{"a":1}\n{"b":2}\n\n', '{"a', 'words\n'])(
    '%j is whole, or none',
    (text) => expect(ending(text)).toBeNull(),
  );
});

describe('files', () => {
  it('keep each cut line once', async () => {
    const log = at('kept.jsonl');
    const [a, b] = [strToU8('a'), strToU8('b')];
    const places = [await keepCut(log, a), await keepCut(log, b), await keepCut(log, a), await keepCut(log, b)];
    expect(places).toEqual([`${log}.cut`, `${log}.cut-2`, `${log}.cut`, `${log}.cut-2`]);
    await expect(keepCut(at('nowhere/log.jsonl'), a)).rejects.toThrow('keeps the unfinished line of');
  });

  it('are written whole or stay as they were', async () => {
    await writeWhole(at('a.bin'), strToU8('first'));
    await writeWhole(at('a.bin'), strToU8('second'));
    expect([readFileSync(at('a.bin'), 'utf8'), existsSync(at('a.bin.part'))]).toEqual(['second', false]);
    await writeWhole('/dev/null', strToU8('third'));
    expect(existsSync('/dev/null.part')).toBe(false);
  });
});

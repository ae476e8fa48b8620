/** The list of the page's texts: what is in it, and words that the page no longer uses. */
import { expect, it } from 'vitest';
import { wordsBelow, wordsOfScript, wordsOfSvelte } from '../../tools/words/main';

it('finds words, spoken attributes and sentences of scripts, with their lines', () => {
  const source = `<script>\n  const told = 'Nothing is computed.';\n</script>\n<p class="soft row">Two words</p>\n<img alt="a vote" />`;
  expect(wordsOfSvelte('a.svelte', source).map(({ line, text }) => [line, text])).toEqual([
    [4, 'Two words'],
    [5, 'a vote'],
    [2, 'Nothing is computed.'],
  ]);
  const script = `import a from 'some where';\nthrow new Error(\`It holds \${a} runs.\`);\nconst key = 'lab';`;
  expect(wordsOfScript('b.ts', script)).toEqual([{ file: 'b.ts', line: 2, text: 'It holds … runs.' }]);
});

it('has no word that was replaced by another', () => {
  const texts = wordsBelow('src/ui');
  expect(texts.length).toBeGreaterThan(1_000);
  const replaced =
    /W \+ A·B|interval holds? 0|cause is mended|by lot: change|Firefox \d|Not what the log says|show true answers|see another run|critic rescued|critic spoiled|voted itself wrong|base debate/;
  expect(texts.filter(({ text }) => replaced.test(text))).toEqual([]);
});

/** What others wrote is quoted in fences that it cannot close, however many marks it has. */
import { expect, it } from 'vitest';
import { gsm8k } from '../../src/tasks/gsm8k';

it('quotes a text of half a million runs of backticks', () => {
  const text = `${'` '.repeat(500_000)}\`\`\`\``;
  const quoted = gsm8k.summarise([text]);
  expect(quoted).toContain('\n`````\n');
});

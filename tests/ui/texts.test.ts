import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import type { LoggedResponse, LoggedSummary } from '../../src/log/format1';
import { overSeats, tallyTexts } from '../../src/log/responses';
import { indexLog } from '../../src/ui/readings/logIndex';
import { toCsv } from '../../src/share/exports/table';
import { anyTrouble, textPhases, textTable } from '../../src/ui/readings/texts';
import { textReport } from '../../tools/cli/runReport';
import { held, response, started } from './logs';

const fine = response('5');
const cut: LoggedResponse = { ...fine, finish: 'length' };
const unreadable = response(null);
const unasked: LoggedResponse = { text: '', answer: null, finish: 'length', tokens: 0, logprobs: [], margins: [] };
const shortened = (of: LoggedResponse): LoggedResponse => ({ ...of, shortened: { others: [3], own: 7 } });
const summary = ({ answer: _, ...text }: LoggedResponse): LoggedSummary => text;

/** Two agents; the base answers two problems, the society three, in two rounds with summaries. */
function log(): RunEvent[] {
  const base = { purpose: 'evaluation', learner: 'base', iteration: 0 } as const;
  const plain = [
    [fine, fine],
    [fine, fine],
  ];
  return [
    started({ agents: 2, minimumVotes: 1 }),
    held({ problem: 1, ...base, responses: plain }),
    held({ problem: 2, ...base, responses: plain }),
    held({
      problem: 1,
      responses: [
        [cut, unreadable],
        [shortened(fine), shortened(cut)],
      ],
      summaries: [[summary(cut), summary(shortened(fine))]],
    }),
    held({
      problem: 2,
      responses: [
        [fine, unasked],
        [fine, unasked],
      ],
      summaries: [[summary(unasked), summary(fine)]],
    }),
    held({
      problem: 3,
      responses: [
        [fine, fine],
        [unreadable, fine],
      ],
      summaries: [[summary(fine), summary(fine)]],
    }),
  ];
}

const training = { purpose: 'train', learner: 'society', iteration: 1 };
const none = { cut: 0, shortened: 0, unasked: 0, unreadable: 0 };

describe('texts of a run', () => {
  it('are counted by phase, kind and seat', () => {
    expect(tallyTexts(log()).slice(4)).toEqual([
      { ...training, kind: 'answer', seat: 0, ...none, texts: 3, cut: 1 },
      { ...training, kind: 'answer', seat: 1, ...none, texts: 3, unasked: 1, unreadable: 2 },
      { ...training, kind: 'revision', seat: 0, ...none, texts: 3, shortened: 1, unreadable: 1 },
      { ...training, kind: 'revision', seat: 1, ...none, texts: 3, cut: 1, shortened: 1, unasked: 1, unreadable: 1 },
      { ...training, kind: 'summary', seat: 0, ...none, texts: 3, cut: 1, unasked: 1 },
      { ...training, kind: 'summary', seat: 1, ...none, texts: 3, shortened: 1 },
    ]);
    const base = { purpose: 'evaluation', learner: 'base', iteration: 0 };
    expect(tallyTexts(log()).slice(0, 4)).toEqual(
      (['answer', 'revision'] as const).flatMap((kind) =>
        [0, 1].map((seat) => ({ ...base, kind, seat, ...none, texts: 2 })),
      ),
    );
  });

  it('are added up over seats', () => {
    expect(overSeats(tallyTexts(log())).slice(2)).toEqual([
      { ...training, kind: 'answer', seat: 0, texts: 6, cut: 1, shortened: 0, unasked: 1, unreadable: 2 },
      { ...training, kind: 'revision', seat: 0, texts: 6, cut: 1, shortened: 2, unasked: 1, unreadable: 2 },
      { ...training, kind: 'summary', seat: 0, texts: 6, cut: 1, shortened: 1, unasked: 1, unreadable: 0 },
    ]);
  });

  it('are shown by iteration and exported whole', () => {
    const index = indexLog(log());
    expect(anyTrouble(index)).toBe(true);
    expect(anyTrouble(indexLog(log().slice(0, 3)))).toBe(false);
    const labels = (iteration: number, eachAgent: boolean) =>
      textPhases(index, iteration, eachAgent).map(({ phase, rows }) => [phase, ...rows.map(({ label }) => label)]);
    expect(labels(0, false)).toEqual([['Evaluation: base, no finetuning', 'first answers', 'revisions']]);
    expect(labels(1, true)).toEqual([
      [
        'Training: society finetuning',
        'first answers, agent A',
        'first answers, agent B',
        'revisions, agent A',
        'revisions, agent B',
        'summaries, agent A',
        'summaries, agent B',
      ],
    ]);
    expect(textPhases(index, 1, false)[0]?.rows[1]).toMatchObject({ texts: 6, shortened: 2, unreadable: 2 });
    const lines = toCsv(textTable(index)).split('\r\n');
    expect(lines[0]).toBe('purpose,team,iteration,text,agent,texts,cut,quotesShortened,notAsked,unreadable');
    expect(lines[8]).toBe('train,society,1,revision,B,3,1,1,1,1');
    // A summary has no answer to be read.
    expect(lines[9]).toBe('train,society,1,summary,A,3,1,0,1,');
  });

  it('are reported on the command line where something happened to them', () => {
    expect(textReport(tallyTexts(log()))).toEqual([
      'iteration 1, train, society: of 6 first answers 1 cut, 1 not asked for, 2 unreadable',
      'iteration 1, train, society: of 6 revisions 1 cut, 2 quotes shortened, 1 not asked for, 2 unreadable',
      'iteration 1, train, society: of 6 summaries 1 cut, 1 quotes shortened, 1 not asked for',
    ]);
  });
});

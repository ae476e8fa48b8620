/** The soak in short: each kind that needs no browser comes to its end, and its table says how. */
import { expect, it } from 'vitest';
import { soakDeviceLosses } from '../tools/soak/deviceLosses';
import { soakDownloads } from '../tools/soak/downloads';
import { memoryFigures } from '../tools/soak/memory';
import { soak, soakTable } from '../tools/soak/result';
import { soakResumes } from '../tools/soak/resumes';
import { createRng } from '../tools/soak/rng';
import { soakSteps } from '../tools/soak/steps';

const options = (count: number) => ({ count, seed: 3, say: () => {}, over: () => false });

it('downloads end in a right model or a typed error', async () => {
  const result = await soak('downloads', soakDownloads, options(12));
  expect(result).toMatchObject({ lost: 0, equal: true, faults: [] });
  expect(result.attempts).toBeGreaterThanOrEqual(12);
  expect(soakTable([result])).toContain('| downloads | 12 (seed 3) |');
});

it('steps are all taken, and come to the same adapter again', async () => {
  expect(await soak('steps', soakSteps, options(120))).toMatchObject({
    attempts: 120,
    lost: 0,
    equal: true,
    faults: [],
  });
});

it('runs of all recipes that end after random events go on to the digest of undisturbed ones', async () => {
  const result = await soak('resumes', soakResumes, options(10));
  expect(result).toMatchObject({ attempts: 10, lost: 0, equal: true, faults: [] });
}, 600_000);

it('losses of the device leave the same adapters and answers', async () => {
  const result = await soak('device-losses', soakDeviceLosses, options(3));
  expect(result).toMatchObject({ lost: 0, equal: true, faults: [] });
  expect(result.outcomes['losses']).toBeGreaterThanOrEqual(3);
});

it('tells memory that grows from memory that stays', () => {
  const samples = (late: number) => Array.from({ length: 50 }, (_, i) => (i < 40 ? 200 : late));
  expect(memoryFigures(samples(210))).toMatchObject({ early: 200, late: 210, flat: true });
  expect(memoryFigures(samples(280))).toMatchObject({ flat: false });
  expect(memoryFigures([1, 2])).toBeNull();
});

it('draws the same again, and apart for each kind', () => {
  const draws = (kind: string) => {
    const rng = createRng(7, kind);
    return Array.from({ length: 20 }, () => rng.int(1000));
  };
  expect(draws('kills')).toEqual(draws('kills'));
  expect(draws('kills')).not.toEqual(draws('downloads'));
});

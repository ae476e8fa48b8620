/** The worker that keeps models, struck while it downloads: the download goes on, and what is stored is the model, byte for byte. */
import type { Browser } from 'playwright';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Visit } from '../../../tests/e2e/visit';
import { HubServer } from '../../../tests/models/hubServer';
import { COMMIT, noise } from '../../../tests/models/samples';
import { tinyFiles, tinyWeights } from '../../../tests/tasks/tinyChatModel';
import type { Rng } from '../rng';
import { begin } from './runs';
import { add, find, newLane, replaced, strike, type Lane } from './strike';

const REPO = 'tiny/chat';
/** Three stored parts of a file, which the worker asks for one after the other. */
const PART = 4 * 2 ** 20;
const WEIGHTS = 2 * PART + 12_345;
const PATIENCE_MS = 600_000;

/** A repository with something to download; nothing reads its weights. */
function repoFiles(): Map<string, Uint8Array> {
  const files = Object.entries(tinyFiles(tinyWeights()));
  return new Map<string, Uint8Array>(files).set('model.safetensors', noise(WEIGHTS, 4));
}

export async function strikeModels(
  browser: Browser,
  url: string,
  { endings, onEnding, over }: { endings: number; onEnding: () => void; over: () => boolean },
  rng: Rng,
): Promise<Lane> {
  const lane = newLane();
  const hub = new HubServer();
  await hub.start();
  hub.repos.set(REPO, { commit: COMMIT, files: repoFiles(), token: null });
  const visit = await begin(browser, url);
  try {
    await visit.tab('Models').click();
    while (lane.struck < endings && !over()) {
      const from = performance.now();
      add(lane, 'downloads with models struck');
      await startDownload(visit, hub, rng.int(WEIGHTS));
      await sleep(rng.int(1_000));
      const worker = find(visit, 'models');
      if (!worker) throw new Error('there is no worker for models');
      await strike(lane, 'models', worker, rng);
      hub.reset();
      if (!(await replaced(visit, 'models', worker, async () => false))) lane.faults.push('no new models worker');
      await row(visit).getByRole('button', { name: 'Use in the next run' }).waitFor({ timeout: PATIENCE_MS });
      if (!(await isStored(visit))) {
        lane.different++;
        lane.faults.push(`download ${lane.struck}: what is stored is not the model`);
      }
      await row(visit)
        .getByRole('button', { name: `Delete ${REPO}` })
        .click();
      await row(visit).getByRole('button', { name: 'Really delete?' }).click();
      await row(visit).waitFor({ state: 'detached', timeout: PATIENCE_MS });
      lane.longestMs = Math.max(lane.longestMs, performance.now() - from);
      onEnding();
    }
  } catch (error) {
    lane.faults.push(`models, after ${lane.struck} endings: ${String(error)}`);
  } finally {
    await visit.end();
    await hub.stop();
  }
  return lane;
}

const row = ({ page }: Visit) =>
  page.getByRole('region', { name: 'Models here' }).getByRole('listitem').filter({ hasText: REPO });

/** Begins a download whose weights fall silent after so many bytes. */
async function startDownload({ page }: Visit, hub: HubServer, after: number): Promise<void> {
  const part = page.getByRole('region', { name: 'Models from the hub' });
  if (!(await part.getByLabel('Hub or mirror').isVisible())) await part.getByText('Token and address').click();
  await part.getByLabel('Hub or mirror').fill(hub.endpoint);
  await part.getByLabel('Any other').fill(`${REPO}@main`);
  await part.getByRole('button', { name: 'Look up', exact: true }).last().click();
  hub.fault = ({ place, range }) => {
    if (place !== 'cdn') return null;
    return (range?.to ?? WEIGHTS) >= after ? { kind: 'stall', after: Math.max(0, after - (range?.from ?? 0)) } : null;
  };
  await page
    .getByRole('group', { name: `Offer: ${REPO}` })
    .getByRole('button', { name: 'Download' })
    .click();
}

/** Are the weights that this browser keeps those of the repository? Read past the lab, from its files. */
async function isStored({ page }: Visit): Promise<boolean> {
  const stored = await page.evaluate(async () => {
    const files: [string, File][] = [];
    const walk = async (folder: FileSystemDirectoryHandle, path: string): Promise<void> => {
      for await (const [name, handle] of folder as unknown as AsyncIterable<[string, FileSystemHandle]>) {
        if (handle.kind === 'directory') await walk(handle as FileSystemDirectoryHandle, `${path}${name}/`);
        else files.push([`${path}${name}`, await (handle as FileSystemFileHandle).getFile()]);
      }
    };
    await walk(await navigator.storage.getDirectory(), '');
    const sums: [string, number, string][] = [];
    for (const [path, file] of files) {
      const sum = new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()));
      sums.push([path, file.size, [...sum].map((byte) => byte.toString(16).padStart(2, '0')).join('')]);
    }
    return sums;
  });
  const weights = repoFiles().get('model.safetensors') as Uint8Array;
  const hashes = new Set(stored.map(([, , sum]) => sum));
  return Array.from({ length: Math.ceil(WEIGHTS / PART) }, (_, i) => weights.slice(i * PART, (i + 1) * PART)).every(
    (bytes) => hashes.has(createHash('sha256').update(bytes).digest('hex')),
  );
}

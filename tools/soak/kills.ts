/** Kills of a real browser at random moments of a run; each time the run goes on, to the digest of an undisturbed one. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium, type Page } from 'playwright';
import { findChromium, serveLab } from '../../tests/e2e/browser';
import { Visit } from '../../tests/e2e/visit';
import type { SoakOptions, SoakOutcome } from './result';
import type { Rng } from './rng';

/** Kills in one run, then it is left alone until it is finished. */
const KILLS_A_RUN = 8;
const PROBLEMS = { training: 3, heldOut: 3 };
/** A browser with a software GPU on busy cores. */
const PATIENCE_MS = 180_000;

interface StoredRun {
  status: string;
  digest: string;
  events: number;
}

/** A Chromium of its own process group, with a profile that stays. */
class KillableBrowser {
  private constructor(
    private readonly process: ChildProcess,
    readonly visit: Visit,
  ) {}

  static async open(profile: string, url: string): Promise<KillableBrowser> {
    const port = join(profile, 'DevToolsActivePort');
    rmSync(port, { force: true });
    const args = ['--remote-debugging-port=0', `--user-data-dir=${profile}`, '--headless=new', '--no-sandbox'].concat([
      '--enable-unsafe-webgpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-sync',
      'about:blank',
    ]);
    const browser = spawn(findChromium(), args, { detached: true, stdio: 'ignore' });
    try {
      for (let waited = 0; !existsSync(port) || !readFileSync(port, 'utf8').includes('\n'); waited += 50) {
        if (waited > PATIENCE_MS) throw new Error('Chromium does not start');
        await sleep(50);
      }
      const [at] = readFileSync(port, 'utf8').split('\n');
      const connected = await chromium.connectOverCDP(`http://127.0.0.1:${at}`, { timeout: PATIENCE_MS });
      const visit = await Visit.inContext(connected.contexts()[0]!);
      // What runs the command keeps the names of functions by a helper, which a page lacks.
      await visit.page.addInitScript('globalThis.__name = (named) => named');
      await visit.page.goto(url);
      await visit.page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor({ timeout: PATIENCE_MS });
      return new KillableBrowser(browser, visit);
    } catch (error) {
      kill(browser);
      throw error;
    }
  }

  /** kill -9 of the browser and all its processes. */
  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.process.once('exit', resolve));
    kill(this.process);
    if (this.process.exitCode === null && this.process.signalCode === null) await gone;
  }
}

function kill({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}

/** The newest stored run, with the number of its events that are really there. */
function newestRun(page: Page): Promise<StoredRun | null> {
  return page.evaluate(async () => {
    const db = await new Promise<IDBDatabase>((resolve, reject) => {
      const opening = indexedDB.open('polylogue');
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error!);
    });
    const done = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error!);
      });
    try {
      const stores = db.transaction(['runs', 'events']);
      const runs = await done(stores.objectStore('runs').getAll());
      const run = runs.sort((a, b) => b.created - a.created)[0];
      if (!run) return null;
      const events = await done(stores.objectStore('events').count(IDBKeyRange.bound([run.id, 0], [run.id, Infinity])));
      return { status: run.status as string, digest: run.digest as string, events };
    } finally {
      db.close();
    }
  });
}

async function begin({ visit }: KillableBrowser, seed: number): Promise<void> {
  await visit.fillSettings(seed, 'webgpu', PROBLEMS);
  await visit.start();
}

async function resume({ visit }: KillableBrowser): Promise<void> {
  const offer = visit.page.getByRole('status').filter({ hasText: 'was interrupted' });
  await offer.waitFor({ timeout: PATIENCE_MS });
  await visit.chooseEngine('webgpu');
  await offer.getByRole('button', { name: 'Resume' }).click();
}

async function finished(browser: KillableBrowser): Promise<StoredRun> {
  for (let waited = 0; waited < PATIENCE_MS; waited += 200) {
    const run = await newestRun(browser.visit.page);
    if (run?.status === 'finished') return run;
    await sleep(200);
  }
  throw new Error('the run does not end');
}

export async function soakKills({ count, seed, say }: SoakOptions, rng: Rng): Promise<SoakOutcome> {
  const lab = await serveLab();
  const folder = mkdtempSync(join(tmpdir(), 'polylogue-kills-'));
  const outcomes: Record<string, number> = {
    kills: 0,
    runs: 0,
    'kills before the run was stored': 0,
    'kills of a finished run': 0,
  };
  const add = (name: string) => (outcomes[name] = (outcomes[name] ?? 0) + 1);
  const faults: string[] = [];
  let [longestMs, lost, attempts] = [0, 0, 0];
  let browser: KillableBrowser | null = null;
  const open = async (profile: string) => (browser = await KillableBrowser.open(profile, lab.url));
  try {
    const calm = await open(join(folder, 'calm'));
    const began = performance.now();
    await begin(calm, seed);
    const expected = await finished(calm);
    const duration = performance.now() - began;
    await calm.kill();
    say(`kills: an undisturbed run takes ${Math.round(duration / 1000)} s, digest ${expected.digest.slice(0, 12)}`);
    while ((outcomes['kills'] as number) < count) {
      const profile = join(folder, `run-${add('runs')}`);
      let before = 0;
      for (let kills = 0; ; kills++) {
        attempts++;
        const from = performance.now();
        const opened = await open(profile);
        const stored = await newestRun(opened.visit.page);
        const events = stored?.events ?? 0;
        if (events < before) {
          lost++;
          faults.push(
            `run ${outcomes['runs']}: of ${before} events ${events} are there after kill ${outcomes['kills']}`,
          );
        }
        if (stored === null) await begin(opened, seed);
        else if (stored.status !== 'finished') await resume(opened);
        const enough = kills === KILLS_A_RUN || (outcomes['kills'] as number) >= count || stored?.status === 'finished';
        if (enough) {
          const { digest } = await finished(opened);
          if (digest !== expected.digest) faults.push(`run ${outcomes['runs']}: digest ${digest}`);
          longestMs = Math.max(longestMs, performance.now() - from);
          await opened.kill();
          break;
        }
        // So that a run of this length is struck in every part of it.
        await sleep(rng.int(Math.max(200, Math.round(duration / 4))));
        const last = await newestRun(opened.visit.page);
        before = last?.events ?? 0;
        // The next write is struck too: the moment after the count is open.
        await sleep(rng.int(60));
        await opened.kill();
        add('kills');
        if (last === null) add('kills before the run was stored');
        else if (last.status === 'finished') add('kills of a finished run');
        longestMs = Math.max(longestMs, performance.now() - from);
        if ((outcomes['kills'] as number) % 10 === 0) say(`kills: ${outcomes['kills']} of ${count}`);
      }
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    }
  } catch (error) {
    lost++;
    faults.push(`after ${outcomes['kills']} kills: ${String(error)}`);
  } finally {
    await (browser as KillableBrowser | null)?.kill();
    await lab.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  const equal = !faults.some((fault) => fault.includes('digest'));
  return { outcomes, attempts, lost, equal, memory: null, longestMs: Math.round(longestMs), faults };
}

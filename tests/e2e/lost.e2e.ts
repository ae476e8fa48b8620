/** The browser's GPU process is killed in the middle of a run: the run goes on on a new device, to the same digest. */
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, serveLab } from './browser';
import { Visit } from './visit';

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;

beforeAll(async () => {
  [lab, browser] = await Promise.all([serveLab(), launch()]);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

describe('a GPU process that dies', () => {
  it('costs a run some seconds and nothing else', async () => {
    const visit = await Visit.begin(browser);
    const { page } = visit;
    await page.goto(lab.url);
    await visit.fillSettings(8, 'webgpu', { training: 3, heldOut: 3 });
    await visit.start();
    await visit.untilState('finished');
    const undisturbed = await visit.digest();
    const notice = page.getByRole('status').filter({ hasText: 'The GPU was lost; recovered' });
    await expect.poll(() => notice.count()).toBe(0);

    const devtools = await browser.newBrowserCDPSession();
    await visit.fillSettings(8, 'webgpu', { training: 3, heldOut: 3 });
    await visit.start();
    await visit.untilActivity(/finetuning, step/);
    // The call itself is answered by the process that it ends.
    void devtools.send('Browser.crashGpuProcess').catch(() => {});
    await notice.waitFor();
    await visit.shot('recovered');
    await visit.untilState('finished');
    await expect.poll(() => visit.digest()).toBe(undisturbed);
    await expect.poll(() => page.getByRole('alert').count()).toBe(0);
    await notice.getByRole('button', { name: 'Dismiss' }).click();
    await expect.poll(() => notice.count()).toBe(0);
    await visit.end();
  });
});

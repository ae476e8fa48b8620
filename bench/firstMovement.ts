/** How soon something moves on the stage after the first paint, by the page's own clock. */
import type { Page } from 'playwright';

/** What one opening gave: milliseconds of the page's clock. */
export interface Motion {
  milliseconds: number;
  /** Is the sentence that says what plays within the window, without scrolling? */
  inSight: boolean;
}

/** What the script in the page fills in. */
interface Watched {
  paint: number | null;
  /** Text of the stage when it was first there. */
  first: string | null;
  moved: number | null;
  inSight: boolean;
}

/** Notes the first paint, and the first time that a text on the stage becomes another one. Runs before the page's own scripts. */
const WATCH = `
  const seen = { paint: null, first: null, moved: null, inSight: false };
  globalThis.watched = seen;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (entry.name === 'first-paint') seen.paint = entry.startTime;
  }).observe({ type: 'paint', buffered: true });
  new MutationObserver((changes, observer) => {
    const stage = document.querySelector('[aria-label="The stage"]');
    const sentence = stage?.querySelector('[data-testid="replay-sentence"]');
    if (!sentence) return;
    seen.first ??= stage.textContent;
    if (stage.textContent === seen.first) return;
    seen.moved = performance.now();
    const told = document.querySelector('[data-testid="now-playing"]') ?? sentence;
    const { top, bottom } = told.getBoundingClientRect();
    seen.inSight = top >= 0 && bottom <= innerHeight;
    observer.disconnect();
  }).observe(document, { subtree: true, childList: true, characterData: true });
`;

/** From the first paint to the first movement. The page must not have been anywhere. */
export async function firstMovement(page: Page, address: string): Promise<Motion> {
  await page.addInitScript(WATCH);
  await page.goto(address);
  await page.waitForFunction(() => {
    const { watched } = globalThis as unknown as { watched: Watched };
    return watched.moved !== null && watched.paint !== null;
  });
  const { paint, moved, inSight } = await page.evaluate<Watched>('globalThis.watched');
  return { milliseconds: Math.round((moved as number) - (paint as number)), inSight };
}

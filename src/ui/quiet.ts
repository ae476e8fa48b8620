/** When a page has nothing to do. */

/** Milliseconds without a touch, a key or work of its own after which a page is quiet. */
const QUIET_MS = 5_000;
/** How often it is looked, in milliseconds. */
const LOOK_MS = 500;
/** Events of a visitor who does something. */
const TOUCHES = ['pointerdown', 'keydown', 'input'];

/** Resolves when nobody has touched the page for some seconds, and it was at no work. @param busy whether it is at work */
export function untilQuiet(busy: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    let left = QUIET_MS;
    const touched = (): void => {
      left = QUIET_MS;
    };
    TOUCHES.forEach((type) => addEventListener(type, touched, { capture: true, passive: true }));
    const timer = setInterval(() => {
      left = busy() ? QUIET_MS : left - LOOK_MS;
      if (left > 0) return;
      clearInterval(timer);
      TOUCHES.forEach((type) => removeEventListener(type, touched, { capture: true }));
      resolve();
    }, LOOK_MS);
  });
}

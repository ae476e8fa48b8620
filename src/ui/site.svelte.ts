/** The page's side of the service worker: what makes the lab open without a network, and newer versions of the page. */
import { CLAIM, SERVICE_WORKER_FILE, STARTED, TAKE_OVER } from '../site/messages';
import { workerAddress } from '../supervision/trusted';
import { untilQuiet } from './quiet';
import { pageFolder } from './workers';

export class Site {
  /** A newer version of the page lies ready. */
  newer = $state(false);
  /** Another tab has gone over to a newer version: this page is an older one. */
  older = $state(false);
  /** The page opens without a network from now on. */
  kept = $state(false);
  #registration: ServiceWorkerRegistration | null = null;
  #asked = false;

  /**
   * Begins once the page is there: its own loading comes first.
   * @param busy whether the page is at work: it may load a worker then
   */
  async begin(busy: () => boolean): Promise<void> {
    // The development server changes its files all the time.
    if (import.meta.hot || !('serviceWorker' in navigator)) return;
    if (document.readyState !== 'complete') await new Promise((resolve) => addEventListener('load', resolve));
    const { serviceWorker } = navigator;
    const address = workerAddress(`${pageFolder()}${SERVICE_WORKER_FILE}`);
    // The browser may forbid it (private windows do), and the host may lack the file. The lab works as long as there is a network.
    const registration = await serviceWorker.register(address, { updateViaCache: 'none' }).catch(() => null);
    // Browsers that are told to keep service workers out give nothing at all.
    if (!registration) return;
    this.#registration = registration;
    this.#watch(registration);
    const controlled = serviceWorker.controller !== null;
    serviceWorker.controller?.postMessage(STARTED);
    serviceWorker.addEventListener('controllerchange', () => {
      if (controlled && !this.#asked) this.older = true;
    });
    await serviceWorker.ready;
    this.kept = true;
    if (serviceWorker.controller) return;
    // A first visit: what the page has not loaded yet is to come from the cache.
    await untilQuiet(busy);
    registration.active?.postMessage(CLAIM);
  }

  /** Goes over to the newer version, which reloads this page. */
  takeOver(): void {
    const waiting = this.#registration?.waiting;
    this.#asked = true;
    if (!waiting) return location.reload();
    waiting.addEventListener('statechange', () => {
      if (waiting.state === 'activated') location.reload();
    });
    waiting.postMessage(TAKE_OVER);
  }

  #watch(registration: ServiceWorkerRegistration): void {
    const look = (): void => {
      this.newer = registration.waiting !== null && registration.active !== null;
    };
    look();
    registration.addEventListener('updatefound', () => registration.installing?.addEventListener('statechange', look));
  }
}

/**
 * The address of the page follows what is on show, and what is on show follows the address: Back, reload and a copied address work.
 * Settings that were changed stand in it as a link. Nothing starts by an address.
 */
import type { RunConfig } from '../recipes/config';
import { hashOf, placeAt, type ViewPlace } from './address';
import { seedOf, type Lesson } from './course/lesson';
import type { LabClient } from './labClient.svelte';
import type { Settings } from './settings.svelte';
import type { TabKey } from './tabs';

/** Milliseconds that settings rest before they are written. */
const REST = 300;

export class AddressBar {
  tab = $state<TabKey>('lab');
  /** What the part looks at. */
  detail = $state<string | null>(null);
  /** The link that the visitor came by, until it is closed. */
  link = $state.raw<string | null>(null);
  /** What a teacher fixed, as long as the address says it. */
  lesson = $state.raw<Lesson | null>(null);
  /** Why the address is none that this page can use, in a sentence; null = it is one. */
  trouble = $state<string | null>(null);

  readonly #lab: LabClient;
  readonly #settings: Settings;
  /** The settings that the address holds already: those of the start, or of a link that was taken over. */
  #said: string;
  #resting: ReturnType<typeof setTimeout> | null = null;
  /** A run that the address asks for and that is not on show yet. */
  #opening = $state<string | null>(null);

  constructor(lab: LabClient, settings: Settings) {
    this.#lab = lab;
    this.#settings = settings;
    this.#said = JSON.stringify(settings.config.ok);
    this.#follow();
  }

  /** Goes to another part. */
  show(tab: TabKey): void {
    this.tab = this.#allowed(tab);
    this.detail = null;
  }

  /** A part that the lesson hides is not gone to. */
  #allowed(tab: TabKey): TabKey {
    return tab !== 'course' && this.lesson?.hide.includes(tab) ? 'course' : tab;
  }

  /** The visitor has read the link, or taken its settings over: they stay in the address until they are changed. */
  closeLink(): void {
    this.link = null;
    this.#said = JSON.stringify(this.#settings.config.ok);
  }

  /** The pupil has said a number, or leaves the lesson (null). */
  setLesson(lesson: Lesson | null): void {
    this.lesson = lesson;
    this.#lab.fixedSeed = lesson && seedOf(lesson);
  }

  /** Runs something that changes the settings without being the visitor's choice: the address does not say it. */
  quietly(change: () => void): void {
    if (this.link !== null || JSON.stringify(this.#settings.config.ok) !== this.#said) return;
    change();
    this.#said = JSON.stringify(this.#settings.config.ok);
  }

  /** Back, forward and typing in the address. Returns what ends it. */
  listen(): () => void {
    const follow = (): void => this.#follow();
    addEventListener('popstate', follow);
    return () => removeEventListener('popstate', follow);
  }

  /** Writes what is on show; runs again when that changes. Another part or run is a step that Back undoes, a detail is none. */
  write(): void {
    // What is about to be on show will be written; nothing is a step on the way there.
    if (this.#opening !== null || this.#lab.awaited !== null) return;
    if (this.link !== null && this.tab === 'lab') return this.#put(`#${this.link}`, true);
    const { lesson } = this;
    const place: ViewPlace = {
      tab: this.tab,
      run: this.#lab.shown?.record.id ?? null,
      detail: this.detail,
      ...(lesson && { lesson }),
    };
    if (place.tab === 'lab' && place.run === null && !lesson) return this.#writeSettings(this.#settings.config.ok);
    this.#rest(null);
    this.#put(hashOf(place), hashOf({ ...place, detail: null }) !== hashOf(this.#before(place)));
  }

  /** The place that the address names now, without its detail. */
  #before(fallback: ViewPlace): ViewPlace {
    const place = placeAt(location.hash);
    if (!place || !('tab' in place)) return { ...fallback, run: null, tab: 'lab', detail: null };
    return { ...place, detail: null };
  }

  #writeSettings(config: RunConfig | null): void {
    const text = JSON.stringify(config);
    if (config === null || text === this.#said) {
      const place = placeAt(location.hash);
      if (place && 'tab' in place) this.#put('', place.tab !== 'lab' || place.run !== null);
      return;
    }
    this.#rest(() => void this.#writeLink(config, text));
  }

  async #writeLink(config: RunConfig, text: string): Promise<void> {
    const { encodeLink, linkOf } = await import('../share/link');
    if (JSON.stringify(this.#settings.config.ok) !== text || this.tab !== 'lab' || this.#lab.shown) return;
    try {
      this.#put(encodeLink(linkOf(config)), false);
      this.#said = text;
    } catch {
      // What no link holds is said where it is shared.
    }
  }

  #rest(then: (() => void) | null): void {
    if (this.#resting !== null) clearTimeout(this.#resting);
    this.#resting = then === null ? null : setTimeout(then, REST);
  }

  #put(hash: string, asStep: boolean): void {
    if (location.hash === hash) return;
    const address = hash === '' ? `${location.pathname}${location.search}` : hash;
    if (asStep) history.pushState(null, '', address);
    else history.replaceState(null, '', address);
  }

  #follow(): void {
    const place = placeAt(location.hash);
    this.trouble =
      place === null
        ? 'The address names nothing that this page has. This is its start.'
        : 'refused' in place
          ? place.refused
          : null;
    if (place === null || 'refused' in place) return;
    this.setLesson('lesson' in place ? (place.lesson ?? null) : null);
    if ('link' in place) {
      this.link = place.link;
      this.tab = 'lab';
      return;
    }
    this.link = null;
    this.tab = this.#allowed(place.tab);
    this.detail = place.detail;
    const { run } = place;
    // What the address does not name is not on show, else Back would lead to a place that is written anew at once.
    if (run === null) return this.#lab.leave();
    if (this.#lab.shown?.record.id === run) return;
    this.#opening = run;
    void this.#lab.open(run).finally(() => {
      if (this.#opening !== run) return;
      const shown = this.#lab.shown?.record.id ?? null;
      // There is no such run. The address says what is on show, in the place of the one that names nothing.
      if (shown !== run) this.#put(hashOf({ tab: this.tab, run: shown, detail: null }), false);
      this.#opening = null;
    });
  }
}

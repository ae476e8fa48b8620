/** Which pages were done in this browser. Nothing of it leaves the browser. */
const KEY = 'polylogue course 1';

export class CourseProgress {
  done = $state.raw<readonly string[]>(read());

  finish(page: string): void {
    if (this.done.includes(page)) return;
    this.done = [...this.done, page];
    try {
      localStorage.setItem(KEY, JSON.stringify(this.done));
    } catch {
      // Private windows may refuse: then it is known until the tab is closed.
    }
  }
}

function read(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(kept) ? kept.filter((id): id is string => typeof id === 'string') : [];
  } catch {
    return [];
  }
}

/** The page of one run: everything is in its file, nothing is loaded and no worker is started. */
import { mount } from 'svelte';
import '../app.css';
import { runInPage, RUN_ELEMENT, type PageRun } from '../../share/exports/page';
import { taskNamed } from '../../tasks';
import { gradings } from '../readings/grading';
import ReplayPage from './ReplayPage.svelte';

// A file has no workers: answers are compared here, each within its budget of steps.
gradings.use((task, pairs) => Promise.resolve(pairs.map(([a, b]) => taskNamed(task).equal(a, b))));

function opened(): { run: PageRun | null; problem: string | null } {
  try {
    return { run: runInPage(document.getElementById(RUN_ELEMENT)?.textContent ?? ''), problem: null };
  } catch (error) {
    return { run: null, problem: error instanceof Error ? error.message : String(error) };
  }
}

const target = document.getElementById('app');
if (target) {
  target.textContent = '';
  mount(ReplayPage, { target, props: opened() });
}

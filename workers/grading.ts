/** The grading worker: compares answers for the page's views, so that what a model wrote cannot hold the page up. */
import { Heart, serve } from '../src/supervision';
import { taskNamed } from '../src/tasks';

const heart = new Heart();

const api = {
  async grade(task: string, pairs: [string, string][]): Promise<boolean[]> {
    const named = taskNamed(task);
    const answers: boolean[] = [];
    for (const [a, b] of pairs) {
      answers.push(named.equal(a, b));
      heart.worked();
    }
    return answers;
  },
};

serve(api, heart, self);

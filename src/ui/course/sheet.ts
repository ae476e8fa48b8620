/** What the printed page of a lesson says beside the pages' own questions. */

/** What pupils can say after the lesson. */
export const GOALS: readonly string[] = [
  'why a majority is right more often than one answer, and when it is not;',
  'how reading others repairs answers, and how it spoils them;',
  'how a model can learn without knowing what is right, and what it learns wrongly then;',
  'why 90 of 100 is no proof, and what an interval says.',
];

export const TIMETABLE: readonly { minutes: string; what: string }[] = [
  { minutes: '0–5', what: 'Open the link and watch the recorded run play. What do the agents do?' },
  { minutes: '5–12', what: 'Task 1: a vote' },
  { minutes: '12–20', what: 'Task 2: reading the others' },
  { minutes: '20–28', what: 'Task 3: learning from one’s own majority' },
  { minutes: '28–33', what: 'Task 4: reading a result' },
  { minutes: '33–40', what: 'Last task, in groups' },
  { minutes: '40–45', what: 'Groups report. Who would trust such a vote, and for what?' },
];

/** Pages of the course that are tasks, in order. */
export const TASKS: readonly { page: string; predict: string; talk: string }[] = [
  {
    page: 'vote',
    predict: 'Predict: one answer is right on 6 of 10 problems. How many will a majority of three get right?',
    talk: 'What if all three make the same mistake?',
  },
  {
    page: 'reading',
    predict: 'Predict: will reading the others rescue more votes than it spoils?',
    talk: 'When would you change your mind because two others disagree?',
  },
  {
    page: 'own-majority',
    predict: 'Predict: the model learns from its own votes. Will it become better or worse?',
    talk: 'Who checks the labels? What happens to a wrong one in the next iteration?',
  },
  {
    page: 'reading-results',
    predict: 'Predict: several agents or one that learns alone: which is right more often after learning?',
    talk: 'What would you have to do to be surer?',
  },
];

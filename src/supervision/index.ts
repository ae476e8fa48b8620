/** Workers that are looked after. */
export { browserBody, threadBody, type Body } from './body';
export { failure, GaveUpError, WorkerFailedError, type Fault } from './errors';
export { Heart, NO_PULSE, serve, type Connect, type Pulse } from './heart';
export { lifeline, type Lifeline } from './lifeline';
export { Supervised, systemClock, type SupervisedOptions, type SupervisorClock } from './supervised';
export { CountedTime, LIMITS, MOST_RESTARTS, Restarts, TICK, Watch, type Limits } from './watch';

/** Reads log lines of every format, strictly: what is not known is refused, with the event's number and the field. */
import * as v from 'valibot';
import { LOG_FORMAT, type EvaluationDone, type RunEvent } from '../events';
import type { RunConfig } from '../recipes/config';
import { nestsTooDeep } from './depth';
import { LogError } from './errors';
import type { Event1 } from './format1';
import { Lift } from './lift';
import { isPlainEpisode } from './plainEpisode';
import { EVENT_SCHEMAS, EVENT_SCHEMAS_1 } from './schema';

/** Reads a log event by event: the first says in which format the others are. */
export class LogReader {
  /** Format of the log; null before its first event. */
  format: number | null = null;
  #lift: Lift | null = null;
  #index: number;

  /**
   * @param from index of the first event that comes, for messages
   * @param started the log's first event where reading begins behind it
   */
  constructor(from = 0, started?: unknown) {
    this.#index = 0;
    if (started !== undefined) this.value(started);
    this.#index = from;
  }

  /** @throws LogError */
  line(line: string): RunEvent {
    if (nestsTooDeep(line)) throw this.#refused('is nested too deeply');
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw this.#refused('is not JSON');
    }
    return this.value(value);
  }

  /** An event as it was parsed. @throws LogError */
  value(value: unknown): RunEvent {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.#refused('is no event');
    const { type } = value as { type?: unknown };
    if (this.format === null) this.#begin(type, value);
    const wrong = checked(this.#lift ? EVENT_SCHEMAS_1 : EVENT_SCHEMAS, value);
    if (wrong !== null) throw this.#refused(wrong);
    this.#index++;
    return this.#lift ? this.#lift.event(value as Event1) : (value as RunEvent);
  }

  /** The first event says the format; a log that begins otherwise is damaged. */
  #begin(type: unknown, value: object): void {
    if (type !== 'run-started') throw this.#refused('is not the start of a run');
    const { format } = value as { format?: unknown };
    if (typeof format === 'number' && format > LOG_FORMAT)
      throw this.#refused(
        `has format ${format}; this version reads formats 1 to ${LOG_FORMAT}. Open it with a newer Polylogue`,
      );
    if (format !== 1 && format !== LOG_FORMAT) throw this.#refused(`has format ${shown(format)}`);
    this.format = format;
    if (format === 1) this.#lift = new Lift();
  }

  #refused(what: string): LogError {
    return new LogError(`event ${this.#index} ${what}`);
  }
}

/** All events of a log. @throws LogError */
export function readEvents(lines: Iterable<string>): RunEvent[] {
  const reader = new LogReader();
  return Array.from(lines, (line) => reader.line(line));
}

/** An evaluation that was stored apart from its log, in whichever format. @throws LogError */
export function readEvaluation(config: RunConfig, value: object): EvaluationDone {
  const first = 'team' in value;
  const wrong = checked(first ? EVENT_SCHEMAS_1 : EVENT_SCHEMAS, value);
  if (wrong !== null) throw new LogError(`a stored evaluation ${wrong}`);
  return first ? (new Lift(config).event(value as Event1) as EvaluationDone) : (value as EvaluationDone);
}

/** A value from outside, for messages. */
function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 100);
}

/** What is wrong with an event, or null. */
function checked(schemas: Readonly<Record<string, v.GenericSchema>>, value: object): string | null {
  const { type } = value as { type?: unknown };
  if (schemas === EVENT_SCHEMAS && isPlainEpisode(value)) return null;
  const schema = typeof type === 'string' && Object.hasOwn(schemas, type) ? schemas[type] : undefined;
  if (!schema) return `has the type ${shown(type)}, which this version does not know`;
  const result = v.safeParse(schema, value, { abortEarly: true });
  return result.success ? null : wrongIn(result.issues[0]);
}

function wrongIn(issue: v.BaseIssue<unknown>): string {
  const path = (issue.path ?? []).map(({ key }) => String(key)).join('.');
  const got = issue.received;
  if (issue.type === 'strict_object') return `has the field "${path}", which this version does not know`;
  return `has a wrong field ${path}: ${issue.message.startsWith('Invalid') ? `${got} instead of ${issue.expected ?? 'a value'}` : issue.message}`;
}

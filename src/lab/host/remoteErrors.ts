/**
 * Typed errors over Comlink: it carries name, message and stack alone, so that on the other side no `instanceof` holds and what
 * else an error says is lost. Both sides of the engine's port import this file.
 */
import { transferHandlers } from 'comlink';
import { DeadTrackError, NonFiniteError, PolylogueError, type NonFinitePlace } from '../../engine/errors';

interface Thrown {
  value: unknown;
}
interface Carried {
  isError: boolean;
  value: { name: string; message: string; stack?: string; place?: NonFinitePlace };
}

/** Errors that others tell apart after they crossed the port, by name. */
const REVIVED: Record<string, (message: string, place: NonFinitePlace) => PolylogueError> = {
  NonFiniteError: (message, place) => new NonFiniteError(message, place),
  DeadTrackError: (message, place) => new DeadTrackError(message, place as DeadTrackError['place']),
};

let installed = false;

/** Makes Comlink carry them; calling it again changes nothing. */
export function carryTypedErrors(): void {
  const handler = transferHandlers.get('throw');
  if (installed || !handler) return;
  installed = true;
  transferHandlers.set('throw', {
    canHandle: (value): value is unknown => handler.canHandle(value),
    serialize: (thrown) => {
      const [carried, transferables] = handler.serialize(thrown) as [Carried, Transferable[]];
      const { value } = thrown as Thrown;
      if (value instanceof NonFiniteError || value instanceof DeadTrackError) carried.value.place = value.place;
      return [carried, transferables];
    },
    deserialize: (carried) => {
      const { isError, value } = carried as Carried;
      const revive = isError ? REVIVED[value.name] : undefined;
      if (!revive || !value.place) return handler.deserialize(carried);
      const error = revive(value.message, value.place);
      if (value.stack !== undefined) error.stack = value.stack;
      throw error;
    },
  });
}

/** Addresses of worker scripts, as a page with Trusted Types wants them. */

interface TrustedTypePolicy {
  /** A TrustedScriptURL, which TypeScript's library knows as text. */
  createScriptURL(address: string): string;
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL: (address: string) => string }): TrustedTypePolicy;
}

/** The one policy by which addresses become scripts; named in tools/build/policy.ts. */
export const WORKER_POLICY = 'polylogue-workers';

let policy: TrustedTypePolicy | null = null;

/**
 * An address for `new Worker`: a script of this site.
 *
 * @param address of a worker as the bundler gives it (`import address from './x?worker&url'`)
 * @throws TypeError for an address of another origin, or one that carries its script in itself
 */
export function workerAddress(address: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  if (!trustedTypes) return ownScript(address);
  policy ??= trustedTypes.createPolicy(WORKER_POLICY, { createScriptURL: ownScript });
  return policy.createScriptURL(address);
}

function ownScript(address: string): string {
  const { origin, protocol } = new URL(address, globalThis.location.href);
  if (origin !== globalThis.location.origin || !/^(https?|file):$/.test(protocol)) {
    throw new TypeError(`A worker's script belongs to this site; ${address.slice(0, 100)} does not.`);
  }
  return address;
}

/** A real WebKitGTK by way of its WebDriver (Debian's webkit2gtk-driver and xvfb): the little of the protocol that is needed. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';

const DRIVER = process.env['WEBKIT_DRIVER'] ?? '/usr/bin/WebKitWebDriver';
const BROWSER = process.env['WEBKIT_BROWSER'] ?? '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser';
const PORT = 4477;

export class WebKit {
  private constructor(
    private readonly driver: ChildProcess,
    private readonly session: string,
  ) {}

  /** @throws Error that says what to install */
  static async launch(): Promise<WebKit> {
    for (const file of [DRIVER, BROWSER])
      if (!existsSync(file)) throw new Error(`No ${file}: install one ("apt-get install webkit2gtk-driver xvfb").`);
    // A group of its own, so that the browser ends with the driver.
    const driver = spawn('xvfb-run', ['-a', DRIVER, `--port=${PORT}`], {
      detached: true,
      stdio: 'ignore',
      // Root has no sandbox of its own.
      env: { ...process.env, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' },
    });
    const capabilities = {
      alwaysMatch: { 'webkitgtk:browserOptions': { binary: BROWSER, args: ['--automation'] } },
    };
    for (let attempt = 0; ; attempt++) {
      try {
        const { sessionId } = (await ask('POST', '/session', { capabilities })) as { sessionId: string };
        return new WebKit(driver, sessionId);
      } catch (error) {
        // The driver takes a moment before it listens.
        if (attempt === 40) throw error;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  }

  async open(url: string): Promise<void> {
    await ask('POST', `/session/${this.session}/url`, { url });
  }

  /** What a script's body returns. */
  run<T>(script: string): Promise<T> {
    return ask('POST', `/session/${this.session}/execute/sync`, { script, args: [] }) as Promise<T>;
  }

  /** Asks until the script returns something else than null. */
  async until<T>(script: string): Promise<T> {
    for (;;) {
      const found = await this.run<T | null>(script);
      if (found !== null) return found;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }

  async close(): Promise<void> {
    await ask('DELETE', `/session/${this.session}`).catch(() => {});
    if (this.driver.pid) process.kill(-this.driver.pid);
  }
}

async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const response = await fetch(`http://127.0.0.1:${PORT}${path}`, { method, body: text });
  const { value } = (await response.json()) as { value: { error?: string; message?: string } | null };
  if (!response.ok) throw new Error(`${path}: ${value?.error ?? response.status}: ${value?.message ?? ''}`);
  return value;
}

/** A script that chooses or writes in what this label belongs to. */
export function fill(label: string, value: string): string {
  return `
    const label = [...document.querySelectorAll('label')].find((one) => one.innerText.trim().startsWith(${JSON.stringify(label)}));
    if (!label) return null;
    const field = label.control;
    field.value = ${JSON.stringify(value)};
    for (const type of ['input', 'change']) field.dispatchEvent(new Event(type, { bubbles: true }));
    return field.value;`;
}

/** A script that presses the button with these words. */
export function press(words: string): string {
  return `
    const button = [...document.querySelectorAll('button:not([role=tab])')].find(
      (one) => one.innerText.trim() === ${JSON.stringify(words)} && !one.disabled);
    if (!button) return null;
    button.click();
    return true;`;
}

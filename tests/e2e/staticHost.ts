/** A plain static host: the built site below a folder, without headers of its own, and with a switch. */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
};

export class StaticHost {
  /** Requests that were answered, as paths below the folder. */
  readonly asked: string[] = [];
  online = true;
  #server: Server | null = null;

  constructor(
    /** The built site. */
    readonly directory: string,
    readonly folder = '/some/path/',
  ) {}

  async start(): Promise<void> {
    const server = createServer(async (request, response) => {
      if (!this.online) return void request.socket.destroy();
      const path = decodeURIComponent(new URL(request.url as string, 'http://host').pathname);
      this.asked.push(path.slice(this.folder.length));
      const file = path === this.folder ? 'index.html' : path.slice(this.folder.length);
      const bytes = path.startsWith(this.folder) ? await readFile(join(this.directory, file)).catch(() => null) : null;
      if (bytes === null) return void response.writeHead(404).end();
      response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
      response.end(request.method === 'HEAD' ? undefined : bytes);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#server = server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server?.address() as AddressInfo).port}${this.folder}`;
  }

  stop(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
}

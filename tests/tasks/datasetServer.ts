/** A server that behaves like the hub's dataset viewer (`/rows`), with faults injected per request. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type DatasetFault =
  | { kind: 'status'; status: number; headers?: Record<string, string>; error?: string }
  /** The connection breaks in the middle of the body. */
  | { kind: 'cut' }
  /** An answer that is well-formed but not what was asked for. */
  | { kind: 'edit'; edit: (answer: DatasetAnswer) => unknown }
  /** Nothing comes. */
  | { kind: 'stall' };

export interface DatasetAnswer {
  features: unknown[];
  rows: { row_idx: number; row: Record<string, unknown>; truncated_cells: string[] }[];
  num_rows_total: number;
  num_rows_per_page: number;
  partial: boolean;
}

export interface RowsRequest {
  offset: number;
  length: number;
}

export class DatasetServer {
  /** By "dataset config split". */
  readonly splits = new Map<string, Record<string, unknown>[]>();
  readonly requests: RowsRequest[] = [];
  fault: (request: RowsRequest, count: number) => DatasetFault | null = () => null;
  endpoint = '';
  #server: Server | null = null;

  async start(): Promise<void> {
    this.#server = createServer((request, response) => this.#answer(new URL(request.url ?? '/', 'http://x'), response));
    await new Promise<void>((resolve) => this.#server?.listen(0, '127.0.0.1', resolve));
    this.endpoint = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  reset(): void {
    this.requests.length = 0;
    this.fault = () => null;
  }

  #answer({ pathname, searchParams }: URL, response: ServerResponse): void {
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('content-type', 'application/json');
    const asked = { offset: Number(searchParams.get('offset')), length: Number(searchParams.get('length')) };
    this.requests.push(asked);
    const fault = this.fault(asked, this.requests.length);
    if (fault?.kind === 'stall') return;
    if (fault?.kind === 'status') {
      response.writeHead(fault.status, fault.headers);
      response.end(JSON.stringify({ error: fault.error ?? '' }));
      return;
    }
    const rows = this.splits.get(['dataset', 'config', 'split'].map((key) => searchParams.get(key)).join(' '));
    if (pathname !== '/rows' || !rows) {
      response.writeHead(404, { 'x-error-code': 'ResponseNotFound' });
      response.end(
        JSON.stringify({ error: 'The dataset does not exist, or is not accessible without authentication.' }),
      );
      return;
    }
    if (!(asked.length >= 1 && asked.length <= 100)) {
      response.writeHead(422, { 'x-error-code': 'InvalidParameter' });
      response.end(JSON.stringify({ error: "Parameter 'length' must be between 1 and 100" }));
      return;
    }
    const answer: DatasetAnswer = {
      features: [],
      rows: rows
        .slice(asked.offset, asked.offset + asked.length)
        .map((row, index) => ({ row_idx: asked.offset + index, row, truncated_cells: [] })),
      num_rows_total: rows.length,
      num_rows_per_page: 100,
      partial: false,
    };
    const text = JSON.stringify(fault?.kind === 'edit' ? fault.edit(answer) : answer);
    if (fault?.kind === 'cut') {
      response.writeHead(200, { 'content-length': Buffer.byteLength(text) });
      response.write(text.slice(0, text.length / 2), () => response.destroy());
      return;
    }
    response.end(text);
  }
}

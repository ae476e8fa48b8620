/** Names of exceptions with which browsers report a database connection that is gone, or that broke off while at work. */
export const LOST_CONNECTION: readonly string[] = ['InvalidStateError', 'UnknownError', 'AbortError', 'TimeoutError'];

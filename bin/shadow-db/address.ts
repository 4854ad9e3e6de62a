import type { Address } from './connect.js';

/** Where the URL of a store leads. The scenario has checked it. */
export function addressOf(store: string, text: string, defaultPort: number): Address {
  const url = new URL(text);
  return {
    store,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || defaultPort),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)),
  };
}

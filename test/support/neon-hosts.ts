import { neonConfig } from '@neondatabase/serverless';

// The Neon driver has one endpoint for the whole process, but asks for it by host name: each name stands for another here.
const endpoints = new Map<string, string>();
neonConfig.fetchEndpoint = (host) => {
  const endpoint = endpoints.get(host);
  if (endpoint === undefined) throw new Error(`no endpoint for the host ${host}`);
  return endpoint;
};

/** Lets connection strings with this host name lead to an endpoint, such as `http://127.0.0.1:4444/sql`. */
export function serveHost(host: string, endpoint: string): void {
  endpoints.set(host, endpoint);
}

/** The connection string with another host, and with the password only where it is wanted. */
export function atHost(host: string, url: string, { password = true } = {}): string {
  const moved = new URL(url);
  moved.hostname = host;
  moved.port = '';
  if (!password) moved.password = '';
  return moved.href;
}

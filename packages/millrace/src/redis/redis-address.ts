/**
 * `redis://user:password@host:port/db` and `rediss://…` (TLS), taken apart. Errors never repeat a password.
 */

import { StreamError } from '../errors.ts'

export interface RedisAddress {
  readonly host: string
  readonly port: number
  readonly username?: string
  readonly password?: string
  readonly db?: number
  readonly tls?: Record<string, never>
}

export function parseRedisUrl(url: string): RedisAddress {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch (cause) {
    throw new StreamError('BAD_ARGUMENT', `Expected redis://host:port, got ${withoutCredentials(url)}`, { cause })
  }
  if (parsed.protocol !== 'redis:' && parsed.protocol !== 'rediss:') {
    throw new StreamError('BAD_ARGUMENT', `Expected a redis:// or rediss:// URL, got ${withoutCredentials(url)}`)
  }
  const db = parsed.pathname.replace(/^\//, '')
  if (db !== '' && !/^\d{1,5}$/.test(db)) {
    throw new StreamError('BAD_ARGUMENT', `Expected a database number after the host, got '${db}'`)
  }
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, '') || '127.0.0.1',
    port: parsed.port === '' ? 6379 : Number(parsed.port),
    ...(parsed.username === '' ? {} : { username: decodeURIComponent(parsed.username) }),
    ...(parsed.password === '' ? {} : { password: decodeURIComponent(parsed.password) }),
    ...(db === '' || db === '0' ? {} : { db: Number(db) }),
    ...(parsed.protocol === 'rediss:' ? { tls: {} } : {}),
  }
}

/** For errors and logs: `host:port`. */
export function shownAddress(address: RedisAddress): string {
  return `${address.tls === undefined ? 'redis' : 'rediss'}://${address.host}:${address.port}`
}

function withoutCredentials(url: string): string {
  return `'${url.replace(/\/\/[^/@]*@/, '//…@').slice(0, 100)}'`
}

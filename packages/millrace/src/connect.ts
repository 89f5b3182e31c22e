/**
 * Where a program begins.
 *
 *   connect()                                        the embedded engine, in this process's memory
 *   connect('redis://host:6379')  'rediss://…'       a Redis, Valkey or Dragonfly; a Cluster if the server is part of one
 *   connect('redis://a:1,redis://b:2')  ['redis://…']  a Redis Cluster through any of these nodes
 */

import { EmbeddedBackend } from './embedded-backend.ts'
import { StreamError } from './errors.ts'
import { Millrace } from './millrace.ts'
import { RedisBackend, type RedisBackendOptions } from './redis-backend.ts'

export type ConnectOptions = RedisBackendOptions

/**
 * Rejects with `UNAVAILABLE` when no connection stands after `connectMs` (5 s), with `BAD_ARGUMENT` for a URL it
 * does not know. The options are those of a connection; the embedded engine needs none.
 */
export async function connect(url?: string | readonly string[], options: ConnectOptions = {}): Promise<Millrace> {
  if (url === undefined) return new Millrace(new EmbeddedBackend())
  const urls = (typeof url === 'string' ? url.split(',') : url).map((one) => one.trim()).filter((one) => one !== '')
  if (urls.length === 0) {
    throw new StreamError(
      'BAD_ARGUMENT',
      'Expected redis://host:port, or nothing for the embedded engine, got an empty URL',
    )
  }
  return new Millrace(await RedisBackend.connect(urls, options))
}

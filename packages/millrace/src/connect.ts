/**
 * Where a program begins.
 *
 *   connect()                                        the embedded engine, in this process's memory
 *   connect('./data')  'file:///var/data'            the embedded engine, in a directory that it alone has
 *   connect('redis://host:6379')  'rediss://…'       a Redis, Valkey or Dragonfly; a Cluster if the server is part of one
 *   connect('redis://a:1,redis://b:2')  ['redis://…']  a Redis Cluster through any of these nodes
 */

import type { CareEvent } from './care-event.ts'
import { type ConnectTarget, readTarget } from './connect-target.ts'
import { EmbeddedBackend } from './embedded/embedded-backend.ts'
import { type DirectoryEvent, type DirectoryOptions, openDirectory } from './embedded/embedded-directory.ts'
import { StreamError } from './errors.ts'
import { Millrace, type MillraceOptions } from './millrace.ts'
import { RedisBackend, type RedisBackendOptions } from './redis/redis-backend.ts'
import type { ClientEvent } from './redis/redis-client.ts'

export interface ConnectOptions
  extends Omit<RedisBackendOptions, 'onEvent'>, DirectoryOptions, Omit<MillraceOptions, 'onEvent'> {
  readonly onEvent?: (event: ClientEvent | DirectoryEvent | CareEvent) => void
}

/**
 * A server: rejects with `UNAVAILABLE` when no connection stands after `connectMs` (5 s). A directory: with `LOCKED`,
 * `CORRUPT`, `NEWER_FORMAT` or `UNAVAILABLE` when it cannot be had. Either: with `BAD_ARGUMENT` for a target that could be
 * meant otherwise. The options are those of a connection (`connectMs` …), of a directory (`fsync`, `memory`), or of both.
 */
export async function connect(target?: string | readonly string[], options: ConnectOptions = {}): Promise<Millrace> {
  const found = readTarget(target)
  refuseDirectoryOptions(found, options)
  switch (found.kind) {
    case 'memory':
      return new Millrace(new EmbeddedBackend(), options)
    case 'directory': {
      const { fsync, memory, onEvent } = options
      const chosen = { ...(fsync === undefined ? {} : { fsync }), ...(memory === undefined ? {} : { memory }) }
      return new Millrace(await openDirectory({ path: found.path, onEvent, ...chosen }), options)
    }
    case 'redis':
      return await connectRedis(found.urls, options)
  }
}

/** A line that returns is told to the handles: entries may have been lost meanwhile. */
async function connectRedis(urls: readonly string[], options: ConnectOptions): Promise<Millrace> {
  let millrace: Millrace | undefined
  const onEvent = (event: ClientEvent): void => {
    if (event.type === 'connected' || event.type === 'nodes-changed') millrace?.lineReturned()
    options.onEvent?.(event)
  }
  millrace = new Millrace(await RedisBackend.connect(urls, { ...options, onEvent }), options)
  return millrace
}

/** Who asks for durability gets it, or hears that there is none to be had. */
function refuseDirectoryOptions({ kind }: ConnectTarget, options: ConnectOptions): void {
  if (kind === 'directory') return
  const where = kind === 'memory' ? 'memory' : 'a server'
  for (const name of ['fsync', 'memory'] as const) {
    if (options[name] === undefined) continue
    throw new StreamError('BAD_ARGUMENT', `${name}: expected with a directory such as './data', got it with ${where}`)
  }
}

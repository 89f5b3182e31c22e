/**
 * What a server is started with, and what of it can change while it runs.
 *
 *   ServerOptions (all optional, readonly) ──settingsOf──► Settings (all there; CONFIG SET writes them, everybody reads them)
 *
 * Every wait has a limit here, every buffer a bound.
 */
import { getHeapStatistics } from 'node:v8'
import type { Env } from '@millrace/engine'
import type { RequestLimits } from '@millrace/protocol'
import type { OpenDurability } from './durability.ts'
import type { NativeScript } from './native-scripts.ts'
import type { Server } from './server.ts'

/** PEM: read at the start, at `reloadTls`, and when CONFIG SET names others (`tls-cert-file`, `tls-key-file`, `tls-ca-cert-file`). */
export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
  /** Whose certificates clients may show. */
  readonly caFile?: string
}

export interface TlsOptions extends TlsFiles {
  /** TCP port for TLS; 0: a free one. */
  readonly port: number
  /** Whether clients have to show a certificate. Default: `yes` where there is a CA file, as Redis. */
  readonly clients?: 'yes' | 'no' | 'optional'
}

export interface ServerOptions {
  /** TCP port; 0: a free one; false: none. Default 6379. */
  readonly port?: number | false
  /** Addresses to listen on; one that begins with `-` may be missing. Default 127.0.0.1 and ::1 where there is one. */
  readonly bind?: readonly string[]
  readonly tls?: TlsOptions
  /** Path of a Unix socket. Default none. */
  readonly unixSocket?: string
  /** Its permissions. Default 0o700: its owner alone. */
  readonly unixSocketMode?: number
  /** The default user's password. Default none: loopback only, unless `insecure`. */
  readonly password?: string
  /** Users and what they may do (ACL SETUSER lines). Default none. */
  readonly aclFile?: string
  /** Listen on a public address though anybody could do anything there. */
  readonly insecure?: boolean
  /** Databases. Default 16. */
  readonly databases?: number
  /**
   * Bytes of data beyond which commands that need memory are refused; 0: no limit. Default 0. With `directory` the older parts
   * of streams leave memory before, and are read back from disk.
   */
  readonly maxMemoryBytes?: number
  readonly requestLimits?: Partial<RequestLimits>
  /** Limits that can be changed while the server runs. */
  readonly settings?: Partial<Settings>
  /** Texts of further parameters that CONFIG GET tells, by their names (config-table.ts). */
  readonly config?: Readonly<Record<string, string>>
  /** Where lines for an operator go. Default nowhere. */
  readonly log?: (line: string) => void
  /** Ends the process that the server runs in (SHUTDOWN). Default: closes the server, and the process goes on. */
  readonly shutdown?: () => void
  /** What EVAL and EVALSHA know (native-scripts.ts); any other script is refused. Default none. */
  readonly scripts?: readonly NativeScript[]
  /** Where the data are kept. Default: in memory only. */
  readonly directory?: string
  /** What keeps the data in `directory`. Default: the engine's `Store`. */
  readonly openDurability?: OpenDurability
  /** Has the garbage collected, when much of what was in memory has gone to disk. Default: it is collected when V8 does. */
  readonly collect?: () => void
  /** Called when clients may connect, before the data are loaded. */
  readonly onListening?: (server: Server) => void
  /** The engine's world. Default `nodeEnv`. */
  readonly env?: Env
}

export interface Settings {
  /** Clients at the same time. Default 10,000, as Redis. Redis: maxclients. */
  maxClients: number
  /** Clients at the same time from one address that is not loopback; 0: no limit. Default 0. */
  maxClientsPerAddress: number
  /** Seconds without a request after which a client is closed; 0: never. Default 0, as Redis. Redis: timeout. */
  idleSeconds: number
  /** Seconds of silence after which TCP asks whether the peer is there; 0: never. Default 300, as Redis. Redis: tcp-keepalive. */
  keepAliveSeconds: number
  /** How long a client may take to prove who it is. Default 10,000. */
  handshakeMs: number
  /** How long a request may be on its way, from its first byte; one that brings 64 KiB a second has longer. Default 30,000. */
  requestMs: number
  /** How long so many replies may be left unread that no more requests are run; 64 KiB a second are fast enough. Default 60,000. */
  unreadMs: number
  /** How long a reply may be held until what it tells is safe; then its client is closed. Default 60,000. */
  heldMs: number
  /** Bytes of data beyond which commands that need memory are refused; 0: no limit. Default 0. Redis: maxmemory. */
  maxMemoryBytes: number
  /** Bytes of requests of all clients that wait to be whole, or to be run. Default a quarter of the heap's limit. */
  inputBytesTotalMax: number
  /** Unsent bytes from which on no more requests of a client are run. Default 1 MiB. */
  outputBytesHigh: number
  /** Unsent bytes at which a client is closed. Default 32 MiB. Redis: client-output-buffer-limit normal. */
  outputBytesMax: number
  /** The same for a client that listens to channels. Default 8 MiB. Redis: client-output-buffer-limit pubsub. */
  outputBytesPubSubMax: number
  /** Unsent bytes of all clients together, of which the one with the most is closed. Default a quarter of the heap's limit. */
  outputBytesTotalMax: number
  /** Bytes that a client may send before it has proved who it is. Default 65,536. */
  unauthenticatedBytesMax: number
  /** Slows the guessing of passwords to ten guesses a second from one address, and fewer. Default true. */
  slowsGuesses: boolean
}

/** Of an unauthenticated client: what it can ask for is short. */
export const UNAUTHENTICATED_OUTPUT_BYTES_HIGH = 16_384

export function settingsOf(options: ServerOptions): Settings {
  const quarterOfHeap = Math.floor(getHeapStatistics().heap_size_limit / 4)
  return {
    maxClients: 10_000,
    maxClientsPerAddress: 0,
    idleSeconds: 0,
    keepAliveSeconds: 300,
    handshakeMs: 10_000,
    requestMs: 30_000,
    unreadMs: 60_000,
    heldMs: 60_000,
    maxMemoryBytes: options.maxMemoryBytes ?? 0,
    inputBytesTotalMax: quarterOfHeap,
    outputBytesTotalMax: quarterOfHeap,
    outputBytesHigh: 1024 * 1024,
    outputBytesMax: 32 * 1024 * 1024,
    outputBytesPubSubMax: 8 * 1024 * 1024,
    unauthenticatedBytesMax: 65_536,
    slowsGuesses: true,
    ...options.settings,
  }
}

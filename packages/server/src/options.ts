/** What a server is started with. Every wait has a limit here, every buffer a bound. */
import type { Env } from '@millrace/engine'
import type { RequestLimits } from '@millrace/protocol'

export interface ServerOptions {
  /** TCP port; 0: a free one. Default 6379. */
  readonly port?: number
  /** Addresses to listen on. Default 127.0.0.1 and ::1 where there is one. */
  readonly bind?: readonly string[]
  /** The default user's password. Default none: loopback only, unless `insecure`. */
  readonly password?: string
  /** Databases. Default 16. */
  readonly databases?: number
  /** Bytes of data beyond which commands that need memory are refused; 0: no limit. Default 0. */
  readonly maxMemoryBytes?: number
  readonly requestLimits?: Partial<RequestLimits>
  /** The engine's world. Default `nodeEnv`. */
  readonly env?: Env
}

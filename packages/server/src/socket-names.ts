/** What the two ends of a socket are called, in CLIENT LIST and in the log: `127.0.0.1:6379`, `[::1]:6379`, or a path and `:0`. */
import { isIPv6, type Socket } from 'node:net'

export interface SocketNames {
  readonly address: string
  readonly localAddress: string
  /** The peer's address alone; undefined where clients aren't counted by it. */
  readonly remote: string | undefined
}

/** `path`: of a Unix socket. */
export function namesOf(socket: Socket, path: string | undefined): SocketNames {
  if (path !== undefined) return { address: `${path}:0`, localAddress: `${path}:0`, remote: undefined }
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket
  return {
    address: `${bracketed(remoteAddress)}:${remotePort}`,
    localAddress: `${bracketed(localAddress)}:${localPort}`,
    remote: remoteAddress,
  }
}

export function bracketed(host: string): string {
  return isIPv6(host) ? `[${host}]` : host
}

/** Addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(host)
}

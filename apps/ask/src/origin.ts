/**
 * Origins: which pages may talk to the backend with a visitor's cookie.
 *
 *   no Origin header (curl, a program)   allowed: there is no visitor whose cookie could be borrowed
 *   on the list, letter for letter       allowed
 *   anything else, `null` included       refused: 403, before a WebSocket is upgraded
 */
import { networkInterfaces } from 'node:os'
import type { NextFunction, Request, Response } from 'express'
import { WireFailure } from './wire.ts'

export class Origins {
  readonly #allowed: ReadonlySet<string>

  constructor(allowed: readonly string[]) {
    this.#allowed = new Set(allowed)
  }

  get list(): readonly string[] {
    return [...this.#allowed]
  }

  allows(origin: string | undefined): boolean {
    return origin === undefined || this.#allowed.has(origin)
  }

  /** Express: refuses strangers, answers preflights, and names the origin to the browser. */
  readonly cors = (request: Request, response: Response, next: NextFunction): void => {
    const origin = request.headers.origin
    response.vary('Origin')
    if (!this.allows(origin)) throw originFailure()
    if (origin === undefined) {
      next()
      return
    }
    response.setHeader('Access-Control-Allow-Origin', origin)
    response.setHeader('Access-Control-Allow-Credentials', 'true')
    response.setHeader('Access-Control-Expose-Headers', 'X-Answer-Id, Retry-After')
    if (request.method !== 'OPTIONS') {
      next()
      return
    }
    response.setHeader('Access-Control-Allow-Methods', 'GET, POST')
    response.setHeader('Access-Control-Allow-Headers', 'Content-Type, Last-Event-ID')
    response.setHeader('Access-Control-Max-Age', '600')
    response.status(204).end()
  }
}

export function originFailure(): WireFailure {
  return new WireFailure('ORIGIN_REFUSED', 'Pages of this origin may not talk to this server (ALLOWED_ORIGINS).')
}

/** The addresses under which the page is reached when it is served on this host and port. */
export function pageOrigins(host: string, port: number): string[] {
  const hosts = new Set(['127.0.0.1', 'localhost', '[::1]'])
  if (host === '0.0.0.0' || host === '::') for (const address of ownAddresses()) hosts.add(address)
  else hosts.add(host.includes(':') ? `[${host}]` : host)
  return [...hosts].map((name) => new URL(`http://${name}:${port}`).origin)
}

// Our own addresses and no names: a name can be pointed at us by anybody (DNS rebinding).
function ownAddresses(): string[] {
  const found: string[] = []
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address, family, scopeid } of addresses ?? []) {
      if (family === 'IPv4') found.push(address)
      else if (scopeid === 0) found.push(`[${address}]`)
    }
  }
  return found
}

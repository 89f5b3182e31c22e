/**
 * Sessions: who asked. A session is 128 random bits in a cookie; the owner of an answer is its SHA-256, so that
 * what is stored in the streams does not let anybody in.
 *
 *   request ──► cookie millrace_session, 22 base64url characters ──► kept, or a new one ──► owner (hexadecimal)
 *
 * Nothing is stored here: a well-formed cookie is a session. A browser that sends no cookies gets one session for
 * each request, and one for each socket.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { parseCookie, stringifySetCookie } from 'cookie'

export interface Session {
  readonly owner: string
  /** The client sent no usable cookie: this one is new. */
  readonly isNew: boolean
  /** The Set-Cookie header that makes the client keep it. */
  readonly setCookie: string
}

export const sessionCookie = 'millrace_session'
const sessionBytes = 16
const sessionShape = /^[A-Za-z0-9_-]{22}$/
const maxAgeSeconds = 30 * 24 * 60 * 60

/** The session of a request; asked again for the same request it is the same. */
export class Sessions {
  readonly #known = new WeakMap<IncomingMessage, Session>()

  of(request: IncomingMessage): Session {
    const known = this.#known.get(request)
    if (known !== undefined) return known
    const sent = parseCookie(request.headers.cookie ?? '')[sessionCookie]
    const isNew = sent === undefined || !sessionShape.test(sent)
    const value = isNew ? randomBytes(sessionBytes).toString('base64url') : sent
    const session = { owner: ownerOf(value), isNew, setCookie: cookieHeader(value, isSecure(request)) }
    this.#known.set(request, session)
    return session
  }
}

export function ownerOf(cookieValue: string): string {
  return createHash('sha256').update(cookieValue).digest('hex')
}

function cookieHeader(value: string, secure: boolean): string {
  return stringifySetCookie({
    name: sessionCookie,
    value,
    path: '/',
    httpOnly: true,
    sameSite: 'lax',
    secure,
    maxAge: maxAgeSeconds,
  })
}

// A proxy that ends TLS says so in this header. A client that forges it only makes its own cookie stricter.
function isSecure(request: IncomingMessage): boolean {
  const forwarded = request.headers['x-forwarded-proto']
  const first = (Array.isArray(forwarded) ? forwarded[0] : forwarded)?.split(',')[0]?.trim()
  return first === 'https' || ('encrypted' in request.socket && request.socket.encrypted === true)
}

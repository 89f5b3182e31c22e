/**
 * Where a link out of an answer may lead: an article of the handbook, which opens in the page, or an http(s)
 * address, which opens in a new tab. Everything else is shown as text.
 */

export type LinkTarget =
  | { readonly kind: 'handbook'; readonly slug: string }
  | { readonly kind: 'web'; readonly href: string }

const HANDBOOK = /^\/handbook\/([a-z0-9][a-z0-9-]{0,79})\/?(?:#[\w-]*)?$/
const WEB = /^https?:\/\/[^/\\\s]/i

export function linkTarget(href: unknown): LinkTarget | undefined {
  if (typeof href !== 'string' || href.length > 2048) return undefined
  const slug = HANDBOOK.exec(href)?.[1]
  if (slug !== undefined) return { kind: 'handbook', slug }
  if (!WEB.test(href)) return undefined
  const url = parse(href)
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined
  // "https://redis.io@evil.example" shows one host and goes to another.
  if (url.username !== '' || url.password !== '') return undefined
  return { kind: 'web', href: url.href }
}

function parse(href: string): URL | undefined {
  return URL.canParse(href) ? new URL(href) : undefined
}

/** A link out of an answer leads to the handbook or to an http(s) address, or nowhere. */
import { describe, expect, it } from 'vitest'
import { linkTarget } from './links.ts'

describe('linkTarget', () => {
  it('opens an article of the handbook in the page', () => {
    expect(linkTarget('/handbook/xadd')).toEqual({ kind: 'handbook', slug: 'xadd' })
    expect(linkTarget('/handbook/consumer-groups#new')).toEqual({ kind: 'handbook', slug: 'consumer-groups' })
  })

  it('lets http and https out', () => {
    expect(linkTarget('https://redis.io/docs?a=1#b')).toEqual({ kind: 'web', href: 'https://redis.io/docs?a=1#b' })
    expect(linkTarget('http://127.0.0.1:3000/')).toEqual({ kind: 'web', href: 'http://127.0.0.1:3000/' })
  })

  it.each([
    'javascript:alert(1)',
    ' javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'java\nscript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:x',
    'file:///etc/passwd',
    'blob:http://127.0.0.1/x',
    'mailto:a@b.example',
    '//evil.example',
    '/\\evil.example',
    'https:\\\\evil.example',
    'https:evil.example',
    'https://',
    'https://redis.io@evil.example/',
    '/handbook/../api/session',
    '/handbook/',
    '/handbook/a%2fb',
    '/api/answers',
    '#top',
    '',
    undefined,
    7,
    `https://a.example/${'x'.repeat(3000)}`,
  ])('refuses %j', (href) => {
    expect(linkTarget(href)).toBeUndefined()
  })
})

/** What a model writes comes out as text and harmless elements, whole and cut anywhere. */
import { renderToStaticMarkup } from 'react-dom/server'
import { describe, expect, it } from 'vitest'
import { MarkdownBlock } from './markdown.tsx'

function html(text: string, open = false): string {
  return renderToStaticMarkup(<MarkdownBlock text={text} open={open} openArticle={() => undefined} />)
}

const HOSTILE = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<svg/onload=alert(1)>',
  '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  '<a href="javascript:alert(1)">x</a>',
  '[x](javascript:alert(1))',
  '[x](JaVaScRiPt&#58;alert(1))',
  '[x](java&#10;script:alert(1))',
  '[x](data:text/html;base64,PHNjcmlwdD4=)',
  '[x]: javascript:alert(1)\n\n[x]',
  '<javascript:alert(1)>',
  '![x](https://evil.example/x.png)',
  '![x](javascript:alert(1) "t")',
  '[![x](https://evil.example/x.png)](//evil.example)',
  '[x](//evil.example)',
  '<style>@import "https://evil.example"</style>',
  '<form action="https://evil.example"><input name=x></form>',
  '| a |\n| --- |\n| <img src=x onerror=alert(1)> |',
  '- [x] <video src=x onerror=alert(1)>',
  '`<img src=x onerror=alert(1)>`',
]

/** Elements that are never made, and attributes that never come through. */
const FORBIDDEN =
  /<(script|img|svg|iframe|style|form|input|video|object|embed|link|base|meta)\b|<[^>]* on\w+=|(href|src)="(?!https?:\/\/)/i

describe('MarkdownBlock', () => {
  it.each(HOSTILE)('makes %j harmless', (text) => {
    expect(html(text)).not.toMatch(FORBIDDEN)
  })

  it.each(HOSTILE)('makes every beginning of %j harmless', (text) => {
    const made = Array.from({ length: text.length }, (_, length) => html(text.slice(0, length), true))
    expect(made.filter((each) => FORBIDDEN.test(each))).toEqual([])
  })

  it('shows tags as they were written', () => {
    expect(html('XADD <stream> then <b>x</b>')).toContain('XADD &lt;stream&gt; then &lt;b&gt;x&lt;/b&gt;')
  })

  it('opens web links elsewhere, without a way back', () => {
    expect(html('[x](https://redis.io/)')).toContain(
      '<a href="https://redis.io/" target="_blank" rel="noopener noreferrer nofollow">x</a>',
    )
  })

  it('opens the handbook in the page', () => {
    expect(html('[XADD](/handbook/xadd)')).toContain('<a href="#/handbook/xadd">XADD</a>')
  })

  it('renders tables, and a tilde as a tilde', () => {
    const made = html('| a | b |\n| --- | --: |\n| MAXLEN ~ 1 | ~2~ |')
    expect(made).toContain('<th>a</th>')
    expect(made).toContain('~2~')
  })

  it('puts the caret behind the last word', () => {
    expect(html('one\n- a\n- b', true)).toContain('<li class="caret">b</li>')
    expect(html('- a\n\n- b\n\n  c', true)).toContain('<p class="caret">c</p>')
    expect(html('| a |\n| --- |\n| b', true)).toContain('<td class="caret">b</td>')
    expect(html('## Head', true)).toContain('<h2 class="caret">Head</h2>')
    expect(html('done')).not.toContain('caret')
  })

  it('repairs what is still open', () => {
    expect(html('some **bold', true)).toContain('<strong>bold</strong>')
    expect(html('a [link](https://red', true)).not.toContain('<a ')
  })
})

/**
 * Markdown from a model: untrusted. Three layers, each enough by itself:
 *
 *   raw HTML and images become text  →  rehype-sanitize, rehype-harden  →  links by our own policy
 *
 * No HTML string is ever made: what comes out are React elements.
 */
import { memo, useMemo, type MouseEvent, type ReactNode } from 'react'
import Markdown, { type Components, type ExtraProps, type Options } from 'react-markdown'
import { harden } from 'rehype-harden'
import rehypeSanitize, { defaultSchema } from 'rehype-sanitize'
import remarkGfm from 'remark-gfm'
import { linkTarget } from '../links.ts'
import { hashOfArticle } from '../route.ts'
import { repairTail } from '../repair.ts'
import { CodeBlock } from './code-block.tsx'

type PluggableList = NonNullable<Options['rehypePlugins']>
type Element = NonNullable<ExtraProps['node']>
type ElementContent = Element['children'][number]

const REMARK: PluggableList = [[remarkGfm, { singleTilde: false }]]

const SCHEMA = {
  ...defaultSchema,
  tagNames: (defaultSchema.tagNames ?? []).filter((name) => !['img', 'picture', 'source'].includes(name)),
  protocols: { ...defaultSchema.protocols, href: ['http', 'https'] },
}

const REHYPE: PluggableList = [
  textForHtml,
  [rehypeSanitize, SCHEMA],
  [
    harden,
    {
      defaultOrigin: 'http://page.invalid',
      allowedLinkPrefixes: ['*'],
      linkBlockPolicy: 'text-only',
      imageBlockPolicy: 'text-only',
    },
  ],
]

const REHYPE_OPEN: PluggableList = [...REHYPE, caretAtEnd]

/** `openArticle` shows an article of the handbook in the page. */
export const MarkdownBlock = memo(function MarkdownBlock({
  text,
  open,
  openArticle,
}: {
  readonly text: string
  readonly open: boolean
  readonly openArticle: (slug: string) => void
}): ReactNode {
  const components = useMemo(() => componentsWith(openArticle), [openArticle])
  return (
    <div className="block">
      <Markdown remarkPlugins={REMARK} rehypePlugins={open ? REHYPE_OPEN : REHYPE} components={components}>
        {open ? repairTail(text) : text}
      </Markdown>
    </div>
  )
})

/** Tags show as what was written, "<stream>"; an image as its description. */
function textForHtml() {
  return (tree: { children: ElementContent[] }): void => {
    tree.children = tree.children.map(asText)
  }
}

function asText(node: ElementContent): ElementContent {
  const { type } = node as { type: string }
  if (type === 'raw') return { type: 'text', value: (node as unknown as { value: string }).value }
  if (node.type !== 'element') return node
  if (node.tagName === 'img') return { type: 'text', value: String(node.properties['alt'] ?? '') }
  return { ...node, children: node.children.map(asText) }
}

/** The caret stands in the last paragraph, item or cell that text goes into. */
const HOLDERS: readonly string[] = ['p', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'li', 'td', 'th']
const CONTAINERS: readonly string[] = ['ul', 'ol', 'blockquote', 'table', 'tbody', 'tr', 'li']

function caretAtEnd() {
  return (tree: { children: ElementContent[] }): void => {
    let inside: readonly ElementContent[] = tree.children
    let holder: Element | undefined
    for (;;) {
      const last = inside.findLast((each): each is Element => each.type === 'element')
      const isPlace = last !== undefined && (HOLDERS.includes(last.tagName) || CONTAINERS.includes(last.tagName))
      if (!isPlace) break
      if (HOLDERS.includes(last.tagName)) holder = last
      if (!CONTAINERS.includes(last.tagName)) break
      inside = last.children
    }
    if (holder !== undefined) holder.properties['className'] = ['caret']
  }
}

function componentsWith(openArticle: (slug: string) => void): Components {
  return {
    a: ({ href, children }) => <Link href={href} openArticle={openArticle} children={children} />,
    // An answer stands under the question's heading, and may begin with any level.
    h1: ({ children, className }) => <h2 className={className}>{children}</h2>,
    h2: ({ children, className }) => <h2 className={className}>{children}</h2>,
    h3: ({ children, className }) => <h2 className={className}>{children}</h2>,
    h4: ({ children, className }) => <h3 className={className}>{children}</h3>,
    h5: ({ children, className }) => <h3 className={className}>{children}</h3>,
    h6: ({ children, className }) => <h3 className={className}>{children}</h3>,
    // Scrolls sideways on a phone, so it takes the focus.
    table: ({ children }) => (
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      <div className="table slim-scroll" role="group" aria-label="Table" tabIndex={0}>
        <table>{children}</table>
      </div>
    ),
    input: ({ checked }) => (
      <span role="img" aria-label={checked === true ? 'done' : 'open'}>
        {checked === true ? '☑ ' : '☐ '}
      </span>
    ),
    pre: ({ node }) => <CodeBlock {...codeIn(node)} open={false} />,
  }
}

function Link({
  href,
  children,
  openArticle,
}: {
  readonly href: string | undefined
  readonly children: ReactNode
  readonly openArticle: (slug: string) => void
}): ReactNode {
  const target = linkTarget(href)
  if (target === undefined) return <span>{children}</span>
  if (target.kind === 'handbook') {
    return (
      <a href={hashOfArticle(target.slug)} onClick={open(() => openArticle(target.slug))}>
        {children}
      </a>
    )
  }
  return (
    <a href={target.href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  )
}

/** Opens in the page; with a modifier key the browser does what it always does. */
function open(here: () => void): (event: MouseEvent) => void {
  return (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    here()
  }
}

function codeIn(pre: Element | undefined): { lang: string; code: string } {
  const code = pre?.children.find((each): each is Element => each.type === 'element' && each.tagName === 'code')
  const classes = code?.properties['className']
  const language = Array.isArray(classes) ? classes.find((each) => String(each).startsWith('language-')) : undefined
  const text = code?.children.map((each) => (each.type === 'text' ? each.value : '')).join('') ?? ''
  return {
    lang: language === undefined ? '' : String(language).slice('language-'.length),
    code: text.replace(/\n$/, ''),
  }
}

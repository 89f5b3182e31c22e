/** One article of the handbook, read in the page. */
import { useEffect, useState, type ReactNode } from 'react'
import { fetchJson } from '../connection.ts'
import { Prose } from './prose.tsx'

interface Loaded {
  readonly slug: string
  readonly title: string
  readonly markdown: string | undefined
}

export function Article({
  backend,
  slug,
  openArticle,
}: {
  readonly backend: string
  readonly slug: string
  readonly openArticle: (slug: string) => void
}): ReactNode {
  const [loaded, setLoaded] = useState<Loaded>()
  useEffect(() => {
    let wanted = true
    void fetchJson(`${backend}/handbook/${slug}`).then((value) => {
      if (wanted) setLoaded(decodeArticle(slug, value))
    })
    return () => {
      wanted = false
    }
  }, [backend, slug])
  const article = loaded?.slug === slug ? loaded : undefined
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div
      className="slim-scroll h-full max-h-[calc(min(86dvh,860px)-52px)] overflow-y-auto px-5 py-5 phone:px-7"
      role="region"
      aria-label="Article"
      tabIndex={0}
    >
      <h1 className="mb-3 text-[20px] leading-[1.3] font-[650] tracking-[-0.02em]">{article?.title ?? 'Loading…'}</h1>
      <div className="prose">
        {article && article.markdown === undefined && <p>This article could not be loaded.</p>}
        {article?.markdown !== undefined && (
          <Prose key={slug} text={article.markdown} cuts={0} closed openArticle={openArticle} />
        )}
      </div>
    </div>
  )
}

function decodeArticle(slug: string, value: unknown): Loaded {
  const { title, markdown } = (value ?? {}) as { title?: unknown; markdown?: unknown }
  const isArticle = typeof title === 'string' && typeof markdown === 'string'
  if (!isArticle) return { slug, title: 'Not found', markdown: undefined }
  // The title stands above it already.
  return { slug, title, markdown: markdown.replace(/^\s*# [^\n]*\n/, '') }
}

/** Code with its language, a copy button, and colours once the highlighter is there. */
import { createContext, memo, useContext, useEffect, useMemo, useState, type ReactNode } from 'react'
import { grammarOf, HIGHLIGHT_CHARS_MAX, Highlighter } from '../highlight.ts'
import { useCopy } from './hooks.ts'
import { CheckIcon, CopyIcon } from './icons.tsx'

/** An open block is coloured again with every commit, so it has to be shorter. */
const OPEN_CHARS_MAX = 5000

const HighlightContext = createContext<Highlighter | undefined>(undefined)

const LOAD_AFTER_MS = 800
const RETRY_MS = 4000
const ATTEMPTS_MAX = 5

/** Loads the colours once the page stands, so that they are there when the first code comes. */
export function HighlightProvider({ children }: { readonly children: ReactNode }): ReactNode {
  const [highlighter, setHighlighter] = useState<Highlighter>()
  const [attempt, setAttempt] = useState(0)
  useEffect(() => {
    if (attempt === ATTEMPTS_MAX) return
    const load = (): void => {
      // Without colours the code is as readable: a failed load is tried again, and not worth a word.
      void Highlighter.load().then(setHighlighter, () => setAttempt(attempt + 1))
    }
    const timer = setTimeout(load, attempt === 0 ? LOAD_AFTER_MS : RETRY_MS)
    return () => clearTimeout(timer)
  }, [attempt])
  return <HighlightContext value={highlighter}>{children}</HighlightContext>
}

interface CodeProps {
  readonly lang: string
  readonly code: string
  readonly open: boolean
}

export const CodeBlock = memo(function CodeBlock({ lang, code, open }: CodeProps): ReactNode {
  const { copied, copy } = useCopy(code)
  const label = lang === '' ? 'text' : lang.slice(0, 24)
  return (
    <div className="codeblock">
      <div className="flex items-center justify-between border-b border-line py-1 pr-1.5 pl-3.5 text-xs text-faint">
        <span>{label}</span>
        <button
          type="button"
          onClick={copy}
          className="inline-flex min-h-6 items-center gap-1.5 rounded-md px-2 py-0.5 hover:text-ink"
        >
          {copied ? <CheckIcon /> : <CopyIcon />}
          {copied ? 'Copied' : 'Copy'}
          <span className="sr-only"> code</span>
        </button>
      </div>
      {/* Scrolls sideways, so it takes the focus. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0} role="group" aria-label={`${label} code`} className="slim-scroll">
        <code className={open ? 'caret' : undefined}>
          <Coloured lang={lang} code={code} open={open} />
        </code>
      </pre>
    </div>
  )
})

function Coloured({ lang, code, open }: CodeProps): ReactNode {
  const highlighter = useContext(HighlightContext)
  const grammar = code.length <= (open ? OPEN_CHARS_MAX : HIGHLIGHT_CHARS_MAX) ? grammarOf(lang) : undefined
  return useMemo(() => {
    if (grammar === undefined || highlighter === undefined) return code
    const lines = highlighter.lines(code, grammar)
    return lines.map((line, i) => (
      // oxlint-disable-next-line react/no-array-index-key
      <span key={i}>
        {line.map((token, j) => (
          // oxlint-disable-next-line react/no-array-index-key
          <span key={j} className={token.className}>
            {token.text}
          </span>
        ))}
        {i < lines.length - 1 ? '\n' : ''}
      </span>
    ))
  }, [code, grammar, highlighter])
}

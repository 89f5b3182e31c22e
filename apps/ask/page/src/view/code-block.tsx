/** Code with its language, a copy button, and colours once the highlighter is there. */
import { createContext, memo, useContext, useEffect, useMemo, useState, type ReactNode } from 'react'
import { grammarOf, HIGHLIGHT_CHARS_MAX, Highlighter } from '../highlight.ts'
import { useCopy } from './hooks.ts'
import { CheckIcon, CopyIcon } from './icons.tsx'

/** An open block is coloured again with every commit, so it has to be shorter. */
const OPEN_CHARS_MAX = 5000

interface Highlights {
  readonly highlighter: Highlighter | undefined
  /** Loads it, at the first call. */
  readonly request: () => void
}

const HighlightContext = createContext<Highlights>({ highlighter: undefined, request: () => undefined })

export function HighlightProvider({ children }: { readonly children: ReactNode }): ReactNode {
  const [wanted, setWanted] = useState(false)
  const [highlighter, setHighlighter] = useState<Highlighter>()
  useEffect(() => {
    // Without colours the code is as readable: a failed load is not worth a word.
    if (wanted) void Highlighter.load().then(setHighlighter, () => undefined)
  }, [wanted])
  const value = useMemo(() => ({ highlighter, request: () => setWanted(true) }), [highlighter])
  return <HighlightContext value={value}>{children}</HighlightContext>
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
        <code>
          <Coloured lang={lang} code={code} open={open} />
        </code>
      </pre>
    </div>
  )
})

function Coloured({ lang, code, open }: CodeProps): ReactNode {
  const { highlighter, request } = useContext(HighlightContext)
  const grammar = code.length <= (open ? OPEN_CHARS_MAX : HIGHLIGHT_CHARS_MAX) ? grammarOf(lang) : undefined
  useEffect(() => {
    if (grammar !== undefined) request()
  }, [grammar, request])
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

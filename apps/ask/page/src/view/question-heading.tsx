/** The question above its answer; a long one takes a few lines until the reader wants all of it. */
import { useState, type ReactNode } from 'react'

const LONG_CHARS = 300
const LONG_LINES = 6

export function QuestionHeading({ question }: { readonly question: string }): ReactNode {
  const [isOpen, setOpen] = useState(false)
  const isLong = question.length > LONG_CHARS || question.split('\n').length > LONG_LINES
  const size = isLong
    ? `text-[15px] leading-normal font-[600] ${isOpen ? '' : 'line-clamp-4'}`
    : 'text-[19px] leading-[1.3] font-[650] tracking-[-0.02em] text-balance phone:text-[22px]'
  return (
    <div className="mb-3">
      <h1 className={`whitespace-pre-line [overflow-wrap:anywhere] ${size}`}>{question}</h1>
      {isLong && (
        <button
          type="button"
          className="quiet-button mt-2"
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
          data-testid="whole-question"
        >
          {isOpen ? 'Show less' : 'Show the whole question'}
        </button>
      )}
    </div>
  )
}

/** Before the first question: the heading, and four questions to begin with. */
import type { ReactNode } from 'react'
import type { Hello } from '../wire.ts'
import { Mark } from './icons.tsx'

const SUGGESTIONS = [
  'How do consumer groups share work?',
  'What does XAUTOCLAIM do?',
  'How should I trim a stream?',
  'Streams or Kafka: when which?',
] as const

export function Welcome({ hello }: { readonly hello: Hello | undefined }): ReactNode {
  return (
    <div className="flex flex-1 flex-col items-center justify-end px-4 pt-6 pb-7 text-center">
      <Mark size={52} />
      <h1 className="mt-4 text-[28px] leading-tight font-bold tracking-[-0.025em] text-balance text-red phone:text-[40px]">
        Ask Me About Redis
      </h1>
      <p className="mt-2.5 max-w-lg text-soft text-balance">
        Each answer is a Redis Stream. Watch its entries arrive, refresh, stop it, come back: nothing is lost.
      </p>
      {hello?.model.kind === 'guide' && (
        <p className="mt-3 rounded-lg bg-wash px-3 py-1 text-[13px] font-medium" data-testid="guide-line">
          Answers from the handbook, no language model
        </p>
      )}
    </div>
  )
}

export function Suggestions({ ask }: { readonly ask: (question: string) => void }): ReactNode {
  return (
    <div className="flex-[1.3] px-4 pt-6 pb-6 phone:px-8">
      <ul className="mx-auto grid max-w-[740px] gap-2.5 min-[560px]:grid-cols-2" aria-label="Suggestions">
        {SUGGESTIONS.map((each) => (
          <li key={each}>
            <button
              type="button"
              data-testid="suggestion"
              onClick={() => ask(each)}
              className="min-h-12 w-full rounded-xl border border-line bg-card px-4 py-3 text-left text-sm text-soft hover:border-edge hover:text-ink"
            >
              {each}
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}

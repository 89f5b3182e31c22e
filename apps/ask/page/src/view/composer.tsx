/**
 * The question box: Enter sends, Shift+Enter breaks the line. While an answer runs the button stops it, and a
 * question that is written meanwhile can be asked beside it.
 */
import {
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
  useState,
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
  type Ref,
} from 'react'
import { formatBytes, formatSpan } from '../format.ts'
import type { Hello } from '../wire.ts'
import { SearchIcon } from './icons.tsx'

export interface ComposerHandle {
  /** Puts a question back that wasn't taken, unless there is another by now. */
  readonly restore: (question: string) => void
  /** The opposite: empties the box, if that question is still in it. */
  readonly take: (question: string) => void
  readonly focus: () => void
}

export interface ComposerProps {
  readonly ref: Ref<ComposerHandle>
  readonly empty: boolean
  readonly running: boolean
  /** A question is on its way: the next one has to wait until that is taken. */
  readonly busy: boolean
  readonly stopping: boolean
  readonly whole: boolean
  readonly setWhole: (whole: boolean) => void
  readonly hello: Hello | undefined
  readonly lastQuestion: string | undefined
  readonly ask: (question: string, topic: string) => void
  readonly stop: () => void
}

const HEIGHT_MAX = 200
const QUESTION_BYTES_MAX = 16_384
const encoder = new TextEncoder()

export function Composer(props: ComposerProps): ReactNode {
  const { ref, empty, running, busy, hello, ask } = props
  const [text, setText] = useState('')
  const [topic, setTopic] = useState<string>()
  const box = useRef<HTMLTextAreaElement>(null)
  useImperativeHandle(ref, () => handleOf(setText, box), [])
  useLayoutEffect(() => grow(box.current), [text])
  useEffect(() => {
    // On a phone the focus would bring up the keyboard over the page.
    if (matchMedia('(pointer: fine)').matches) box.current?.focus()
  }, [])

  const bytes = encoder.encode(text).length
  const bytesMax = hello?.questionBytesMax ?? QUESTION_BYTES_MAX
  const tooLong = bytes > bytesMax
  const canSend = text.trim() !== '' && !tooLong && !busy
  const topics = hello?.topics ?? []
  const send = (): void => {
    if (!canSend) return
    ask(text.trim(), topic ?? topics[0] ?? 'Redis')
    setText('')
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    // While a word is being composed, Enter belongs to the input method.
    if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault()
      send()
    }
    if (event.key === 'ArrowUp' && text === '' && props.lastQuestion !== undefined) {
      event.preventDefault()
      setText(props.lastQuestion)
    }
  }
  return (
    <div
      className={
        empty
          ? 'px-4 phone:px-8'
          : 'border-t border-line bg-page px-3 pt-2.5 pb-[calc(12px+env(safe-area-inset-bottom))] phone:px-8 phone:pt-3.5 phone:pb-4'
      }
    >
      <form
        className="mx-auto flex max-w-[740px] items-end rounded-[14px] border border-edge bg-card p-1.5 pl-4 shadow-[0_8px_24px_-12px_var(--shadow)] focus-within:border-ink"
        onSubmit={(event) => {
          event.preventDefault()
          send()
        }}
      >
        <textarea
          ref={box}
          data-testid="question-box"
          aria-label="Your question"
          aria-describedby={bytes > bytesMax * 0.75 ? 'question-size' : undefined}
          aria-invalid={tooLong}
          rows={1}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
          placeholder={placeholder(empty)}
          className="slim-scroll min-h-10 min-w-0 flex-1 resize-none self-center bg-transparent py-2 pr-2 leading-6 outline-none placeholder:truncate placeholder:text-faint max-phone:text-base"
        />
        <SendOrStop running={running} stopping={props.stopping} canSend={canSend} stop={props.stop} />
      </form>
      <Under {...props} bytes={bytes} bytesMax={bytesMax} topic={topic} setTopic={setTopic} />
    </div>
  )
}

function handleOf(
  setText: (change: (text: string) => string) => void,
  box: RefObject<HTMLTextAreaElement | null>,
): ComposerHandle {
  return {
    restore: (question) => setText((text) => (text.trim() === '' ? question : text)),
    take: (question) => setText((text) => (text === question ? '' : text)),
    focus: () => box.current?.focus(),
  }
}

function placeholder(empty: boolean): string {
  return empty ? 'Type your question here…' : 'Ask something else'
}

function grow(box: HTMLTextAreaElement | null): void {
  if (box === null) return
  box.style.height = 'auto'
  box.style.height = `${Math.min(box.scrollHeight, HEIGHT_MAX)}px`
  box.style.overflowY = box.scrollHeight > HEIGHT_MAX ? 'auto' : 'hidden'
}

function SendOrStop({
  running,
  stopping,
  canSend,
  stop,
}: {
  readonly running: boolean
  readonly stopping: boolean
  readonly canSend: boolean
  readonly stop: () => void
}): ReactNode {
  return (
    <span className="flex flex-none gap-1.5">
      {(!running || canSend) && (
        <button
          key="ask"
          type="submit"
          data-testid="ask-button"
          aria-label="Ask"
          aria-disabled={!canSend}
          className="inline-grid h-10 w-12 flex-none place-items-center rounded-[10px] bg-red text-white hover:bg-red-solid"
        >
          <SearchIcon />
        </button>
      )}
      {running && (
        <button
          key="stop"
          type="button"
          data-testid="stop-button"
          onClick={stop}
          disabled={stopping}
          className="inline-flex h-10 flex-none items-center gap-2 rounded-[10px] bg-ink px-4 text-[13.5px] font-semibold text-card hover:opacity-90"
        >
          <span className="size-2.5 rounded-[2px] bg-current" aria-hidden="true" />
          {stopping ? 'Stopping' : 'Stop'}
        </button>
      )}
    </span>
  )
}

function Under(
  props: ComposerProps & {
    readonly bytes: number
    readonly bytesMax: number
    readonly topic: string | undefined
    readonly setTopic: (topic: string) => void
  },
): ReactNode {
  const { hello, bytes, bytesMax, running, whole, setWhole } = props
  const topics = hello?.topics ?? []
  return (
    <div className="mx-auto mt-2 flex max-w-[740px] flex-wrap items-center gap-x-4 gap-y-1 px-1 text-[12.5px] text-soft">
      <label className="flex min-h-6 items-center gap-[7px]">
        <input
          type="checkbox"
          data-testid="without-stream"
          checked={whole}
          onChange={(event) => setWhole(event.target.checked)}
          className="size-3.5"
        />
        Without Stream
      </label>
      {topics.length > 1 && (
        <label className="flex min-h-6 items-center gap-[7px]">
          Topic
          <select
            value={props.topic ?? topics[0]}
            onChange={(event) => props.setTopic(event.target.value)}
            className="rounded-md border border-line bg-card px-1.5 py-0.5"
          >
            {topics.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
      )}
      {running && (
        <span className="max-phone:hidden">
          <kbd className="rounded-[5px] border border-line px-[5px] font-sans text-[11.5px]">Esc</kbd> stops
        </span>
      )}
      <span className="flex-1" />
      {bytes > bytesMax * 0.75 ? (
        <span id="question-size" className={`tabular-nums ${bytes > bytesMax ? 'font-semibold text-red-ink' : ''}`}>
          {formatBytes(bytes)} of {formatBytes(bytesMax)}
          {bytes > bytesMax && ': too long'}
        </span>
      ) : (
        hello && <span>Answers are kept for {formatSpan(hello.retentionMs)}</span>
      )}
    </div>
  )
}

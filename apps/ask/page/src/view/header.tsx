/** The page's head: its mark, what answers and from where, the state of the connection, the theme. */
import { memo, useState, type ReactNode } from 'react'
import type { ConnectionState } from '../connection.ts'
import { formatBytes } from '../format.ts'
import { applyTheme, nextTheme, recallTheme } from '../theme.ts'
import type { Hello } from '../wire.ts'
import { Mark, MenuIcon, StreamIcon, ThemeIcon } from './icons.tsx'

export interface HeaderProps {
  readonly connection: ConnectionState
  readonly hello: Hello | undefined
  readonly backendLabel: string | undefined
  readonly memoryBytes: number | undefined
  /** Of the answer that is followed; `undefined` when none is. */
  readonly caughtUp: boolean | undefined
  readonly openHistory: (() => void) | undefined
  readonly openStream: (() => void) | undefined
  readonly goHome: () => void
}

export const Header = memo(function Header(props: HeaderProps): ReactNode {
  const { hello, backendLabel, memoryBytes } = props
  const label = backendLabel || hello?.backend
  const backend = label?.replace(/^embedded/, 'embedded engine')
  return (
    <header className="flex min-h-13 items-center gap-1 border-b border-line bg-card px-3 pt-[env(safe-area-inset-top)] phone:min-h-14 phone:gap-3.5 phone:px-5">
      {props.openHistory && (
        <button
          type="button"
          className="icon-button"
          onClick={props.openHistory}
          aria-label="Your questions"
          aria-haspopup="dialog"
        >
          <MenuIcon />
        </button>
      )}
      <button
        type="button"
        onClick={props.goHome}
        className="flex min-w-0 items-center gap-2.5 rounded-lg font-[650] tracking-[-0.01em]"
        aria-label="Ask Me About Redis: new question"
      >
        <span className={props.openHistory && 'max-[440px]:hidden'}>
          <Mark />
        </span>
        <span className="truncate max-[340px]:hidden max-phone:text-[13.5px]">Ask Me About Redis</span>
      </button>
      <div className="flex-1" />
      {backend && (
        <span className="pill max-phone:hidden">
          <Dot className={isUp(props.connection) ? 'bg-ok' : 'bg-edge'} />
          {backend}
          {memoryBytes !== undefined && memoryBytes > 0 && ` · ${formatBytes(memoryBytes)}`}
        </span>
      )}
      {hello && (
        <span className="pill max-w-72 max-[900px]:hidden">
          <span className="truncate">{hello.model.label}</span>
        </span>
      )}
      <ConnectionPill connection={props.connection} caughtUp={props.caughtUp} />
      {props.openStream && (
        <button
          type="button"
          className="icon-button"
          onClick={props.openStream}
          aria-label="The stream"
          aria-haspopup="dialog"
        >
          <StreamIcon />
        </button>
      )}
      <ThemeButton />
    </header>
  )
})

function isUp({ kind }: ConnectionState): boolean {
  return kind === 'live' || kind === 'resumed'
}

function Dot({ className }: { readonly className: string }): ReactNode {
  return <span className={`size-[7px] flex-none rounded-full ${className}`} aria-hidden="true" />
}

const COLOURS = {
  live: 'bg-ok',
  resumed: 'bg-ok',
  connecting: 'bg-warn beat',
  reconnecting: 'bg-warn beat',
  offline: 'bg-red',
} as const

function ConnectionPill({
  connection,
  caughtUp,
}: {
  readonly connection: ConnectionState
  readonly caughtUp: boolean | undefined
}): ReactNode {
  return (
    <span className="pill max-phone:px-2" data-testid="connection-state" data-state={connection.kind}>
      <Dot className={COLOURS[connection.kind]} />
      {connectionLabel(connection, caughtUp)}
    </span>
  )
}

export function connectionLabel({ kind, attempt }: ConnectionState, caughtUp: boolean | undefined): string {
  switch (kind) {
    case 'connecting':
      return 'connecting'
    case 'live':
      return caughtUp === undefined ? 'live' : caughtUp ? 'caught up' : 'catching up'
    case 'resumed':
      return 'resumed'
    case 'reconnecting':
      return attempt > 1 ? `reconnecting, attempt ${attempt}` : 'reconnecting'
    case 'offline':
      return 'offline'
    default:
      return kind satisfies never
  }
}

function ThemeButton(): ReactNode {
  const [theme, setTheme] = useState(recallTheme)
  const next = nextTheme(theme)
  const change = (): void => {
    applyTheme(next)
    setTheme(next)
  }
  return (
    <button
      type="button"
      className="icon-button"
      onClick={change}
      title={`Theme: ${theme}`}
      aria-label={`Theme: ${theme}. Change to ${next}.`}
    >
      <ThemeIcon theme={theme} />
    </button>
  )
}

/** A modal: an article in the middle, the history from the left, the stream from below. Esc and a click beside it close it. */
import { useEffect, useRef, type ReactNode } from 'react'
import { CloseIcon } from './icons.tsx'

const PLACES = {
  middle: 'm-auto max-h-[min(86dvh,860px)] w-[min(720px,calc(100vw-24px))] rounded-2xl',
  left: 'm-0 mr-auto h-dvh max-h-none w-[min(300px,86vw)]',
  below: 'm-0 mt-auto h-[86dvh] max-h-none w-screen max-w-none rounded-t-2xl',
} as const

export function Dialog({
  label,
  title = '',
  place,
  close,
  children,
}: {
  readonly label: string
  /** Stands above the content, unless that has a title of its own. */
  readonly title?: string
  readonly place: keyof typeof PLACES
  readonly close: () => void
  readonly children: ReactNode
}): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const element = dialog.current
    if (element?.open === false) element.showModal()
  }, [])
  return (
    <dialog
      ref={dialog}
      aria-label={label}
      onClose={close}
      onClick={(event) => {
        if (event.target === event.currentTarget) dialog.current?.close()
      }}
      className={`overflow-hidden border border-line bg-card p-0 shadow-[0_8px_24px_-12px_var(--shadow)] ${PLACES[place]}`}
    >
      <div className="flex h-full max-h-[inherit] flex-col">
        <div className="flex flex-none items-center justify-between border-b border-line py-1.5 pr-2 pl-4.5">
          <span className="truncate text-[13px] font-semibold text-soft" aria-hidden="true">
            {title}
          </span>
          <button type="button" className="icon-button" aria-label="Close" onClick={() => dialog.current?.close()}>
            <CloseIcon />
          </button>
        </div>
        <div className="min-h-0 flex-1">{children}</div>
      </div>
    </dialog>
  )
}

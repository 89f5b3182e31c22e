/**
 * The page: history, answer, the stream beside it.
 *
 *   ≥ 1100 px   history │ answer │ stream
 *   ≥  760 px   answer │ stream            history is a drawer
 *   below       answer                     the stream is a sheet
 */
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore, type ReactNode } from 'react'
import type { Client, PageState } from '../client.ts'
import { Announcer } from './announcer.tsx'
import { Answer, AskingPane, isRunning } from './answer.tsx'
import { Article } from './article.tsx'
import { HighlightProvider } from './code-block.tsx'
import { Composer, type ComposerHandle } from './composer.tsx'
import { Dialog } from './dialog.tsx'
import { Header } from './header.tsx'
import { History } from './history.tsx'
import { useMedia } from './hooks.ts'
import { Inspector } from './inspector.tsx'
import { articleInHash } from '../route.ts'
import { RefusalNote } from './notes.tsx'
import { Suggestions, Welcome } from './welcome.tsx'

const NAME = 'Ask Me About Redis'
const TITLE_CHARS_MAX = 80

type Panel = 'history' | 'stream' | undefined

export function App({ client }: { readonly client: Client }): ReactNode {
  const state = useSyncExternalStore(client.subscribe, client.snapshot)
  const [panel, setPanel] = useState<Panel>()
  const [article, setArticle] = useState(() => articleInHash(location.hash))
  const isDesk = useMedia('(width >= 1100px)')
  const isPhone = useMedia('(width < 760px)')
  const composer = useRef<ComposerHandle>(null)
  const closePanel = useCallback(() => setPanel(undefined), [])
  const goHome = useCallback(() => {
    setPanel(undefined)
    location.hash = '#/'
    composer.current?.focus()
  }, [])
  const { open, asking, history, hello, inspection } = state
  const choose = useCallback(
    (answer: string) => {
      setPanel(undefined)
      client.open(answer)
    },
    [client],
  )
  useTitle(open?.question || asking?.question)
  const isEmpty = open === undefined && asking === undefined
  const hasHistory = history !== undefined && history.length > 0
  const historyPane = (
    <History history={history} open={open?.answer} skewMs={state.skewMs} goHome={goHome} chosen={choose} />
  )
  const streamPane = <StreamPane state={state} />
  const columns = `${isDesk && hasHistory ? 'with-history' : ''} ${isEmpty ? '' : 'with-stream'}`
  return (
    <HighlightProvider>
      <button type="button" className="skip" onClick={() => composer.current?.focus()}>
        Skip to the question box
      </button>
      <div className={`page ${columns}`}>
        <Header
          connection={state.connection}
          hello={hello}
          backendLabel={inspection?.backend.label}
          memoryBytes={inspection?.backend.memoryBytes}
          caughtUp={caughtUpOf(open)}
          openHistory={useToggle(!isDesk && hasHistory, 'history', setPanel)}
          openStream={useToggle(isPhone && !isEmpty, 'stream', setPanel)}
          goHome={goHome}
        />
        {isDesk && hasHistory && <div className="min-h-0 border-r border-line">{historyPane}</div>}
        <Main
          client={client}
          state={state}
          isEmpty={isEmpty}
          composer={composer}
          openArticle={setArticle}
          hasDialog={panel !== undefined || article !== undefined}
        />
        {!isPhone && !isEmpty && <div className="min-h-0 border-l border-line">{streamPane}</div>}
      </div>
      {panel === 'history' && !isDesk && (
        <Dialog label="Your questions" title="Your questions" place="left" close={closePanel}>
          {historyPane}
        </Dialog>
      )}
      {panel === 'stream' && isPhone && (
        <Dialog label="The stream" title="Beside the answer" place="below" close={closePanel}>
          <div className="slim-scroll h-full overflow-y-auto">{streamPane}</div>
        </Dialog>
      )}
      {article !== undefined && (
        <Dialog label="Handbook" title="Handbook" place="middle" close={() => setArticle(undefined)}>
          <Article backend={client.backend} slug={article} openArticle={setArticle} />
        </Dialog>
      )}
      <Announcer state={state} />
    </HighlightProvider>
  )
}

/** Tabs and bookmarks are told apart by their question. */
function useTitle(question: string | undefined): void {
  useEffect(() => {
    document.title = question ? `${question.slice(0, TITLE_CHARS_MAX)} · ${NAME}` : NAME
  }, [question])
}

/** `undefined` when nothing is followed. */
function caughtUpOf(open: PageState['open']): boolean | undefined {
  if (open === undefined || open.trouble !== undefined) return undefined
  return !isRunning(open) || open.caughtUp
}

/** The opener of a panel, where there is one to open. */
function useToggle(shown: boolean, panel: Panel, setPanel: (panel: Panel) => void): (() => void) | undefined {
  const open = useCallback(() => setPanel(panel), [panel, setPanel])
  return shown ? open : undefined
}

function StreamPane({ state }: { readonly state: PageState }): ReactNode {
  const { open, inspection, comparison, wholeAnswers, skewMs } = state
  const wholeMs = open && wholeAnswers[open.answer]
  return <Inspector open={open} inspection={inspection} comparison={comparison} wholeMs={wholeMs} skewMs={skewMs} />
}

interface MainProps {
  readonly client: Client
  readonly state: PageState
  readonly isEmpty: boolean
  readonly composer: React.RefObject<ComposerHandle | null>
  readonly openArticle: (slug: string) => void
  readonly hasDialog: boolean
}

function Main({ client, state, isEmpty, composer, openArticle, hasDialog }: MainProps): ReactNode {
  const { open, asking, hello, refusal } = state
  const [whole, setWhole] = useState(false)
  const running = open === undefined ? asking !== undefined : isRunning(open) && open.trouble === undefined
  const stop = useCallback(() => void client.stop(), [client])
  const askTopic = useCallback(
    (question: string, topic: string): void => {
      composer.current?.focus()
      void client.ask(topic, question, whole)
    },
    [client, composer, whole],
  )
  const ask = useMemo(
    () => (question: string) => askTopic(question, open?.topic || hello?.topics[0] || 'Redis'),
    [askTopic, open?.topic, hello],
  )
  useEscape(running && !hasDialog, stop)
  useEffect(() => {
    // A question that wasn't taken goes back into the box.
    if (refusal !== undefined) composer.current?.restore(refusal.question)
  }, [refusal, composer])
  return (
    <main
      className={`flex min-h-0 min-w-0 flex-col ${isEmpty ? 'slim-scroll overflow-y-auto pb-[env(safe-area-inset-bottom)]' : ''}`}
    >
      {isEmpty && <Welcome hello={hello} />}
      {open && (
        <Answer
          key={open.answer}
          open={open}
          watching={state.inspection?.stream?.watching}
          wholeMs={state.wholeAnswers[open.answer]}
          fromHandbook={isFromHandbook(state)}
          skewMs={state.skewMs}
          again={() => ask(open.question)}
          openArticle={openArticle}
        />
      )}
      {!open && asking && <AskingPane asking={asking} />}
      {refusal && (
        <RefusalNote
          refusal={refusal}
          again={() => {
            composer.current?.take(refusal.question)
            ask(refusal.question)
          }}
          dismiss={() => client.dismissRefusal()}
        />
      )}
      <Composer
        ref={composer}
        empty={isEmpty}
        running={running}
        busy={open === undefined && asking !== undefined}
        stopping={state.stopping}
        whole={whole}
        setWhole={setWhole}
        hello={hello}
        lastQuestion={open?.question}
        ask={askTopic}
        stop={stop}
      />
      {isEmpty && <Suggestions ask={ask} />}
    </main>
  )
}

/** By what wrote it, where the stream says so; else by what would. */
function isFromHandbook({ open, hello }: PageState): boolean {
  if (hello === undefined) return false
  return open?.model === undefined ? hello.model.kind === 'guide' : /no language model/i.test(open.model)
}

function useEscape(active: boolean, action: () => void): void {
  useEffect(() => {
    if (!active) return
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key === 'Escape' && !event.defaultPrevented && !event.isComposing) action()
    }
    addEventListener('keydown', onKeyDown)
    return () => removeEventListener('keydown', onKeyDown)
  }, [active, action])
}

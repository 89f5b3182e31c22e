/** The page's beginning: where the backend is, the client, and React. */
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Client } from './client.ts'
import { fetchJson } from './connection.ts'
import { answerInHash, hashOf } from './route.ts'
import { applyTheme, recallTheme } from './theme.ts'
import { App } from './view/app.tsx'
import './style.css'

const BACKEND_PORT = 3000

/** The backend has the page's own host name, so that its cookie is the page's too. */
async function findBackend(): Promise<string> {
  const config = (await fetchJson('/config.json')) as { backend?: { port?: unknown } } | undefined
  const port = config?.backend?.port
  const chosen = typeof port === 'number' && Number.isInteger(port) ? port : BACKEND_PORT
  return `${location.protocol}//${location.hostname}:${chosen}`
}

async function main(): Promise<void> {
  applyTheme(recallTheme())
  const client = new Client(await findBackend(), (answer) => {
    location.hash = hashOf(answer)
  })
  addEventListener('hashchange', () => client.open(answerInHash(location.hash)))
  client.open(answerInHash(location.hash))
  createRoot(document.querySelector('#page')!).render(
    <StrictMode>
      <App client={client} />
    </StrictMode>,
  )
  await client.start()
}

void main()

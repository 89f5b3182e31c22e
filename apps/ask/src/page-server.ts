/**
 * The page's own server: the built files, a strict Content-Security-Policy, and where the backend is.
 *
 *   /config.json          { backend: { port } }            no-store
 *   /assets/<name>-<hash> the bundle                       a year, immutable
 *   anything else         index.html                       no-store
 *
 * The page may run its own scripts and styles, and talk to itself and the backend; nothing else, nowhere else.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import helmet from 'helmet'

export interface PageOptions {
  /** Where the page was built. */
  readonly folder: string
  readonly backendPort: number
}

const hostShape = /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\])$/

export function createPage(options: PageOptions): Express {
  const app = express()
  app.disable('x-powered-by')
  app.use(securityHeaders(options.backendPort))
  app.get('/healthz', (_request, response) => void response.type('text').send('ok'))
  app.get('/config.json', (_request, response) => {
    response.setHeader('Cache-Control', 'no-store')
    response.json({ backend: { port: options.backendPort } })
  })
  app.use('/assets', express.static(join(options.folder, 'assets'), { immutable: true, maxAge: '1y', index: false }))
  app.use('/assets', (_request, response) => void response.status(404).type('text').send('There is no such file.'))
  app.use(express.static(options.folder, { index: false, setHeaders: noStore }))
  app.use((request, response) => sendIndex(options.folder, request, response))
  app.use(replyWithError)
  return app
}

function sendIndex(folder: string, request: Request, response: Response): void {
  noStore(response)
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.status(405).type('text').send('This server has pages only; the backend takes the questions.')
    return
  }
  if (!existsSync(join(folder, 'index.html'))) {
    response.status(503).type('text').send('The page is not built yet: run `npm run build`, then load it again.')
    return
  }
  response.sendFile('index.html', { root: folder, cacheControl: false })
}

function noStore(response: { setHeader(name: string, value: string): unknown }): void {
  response.setHeader('Cache-Control', 'no-store')
}

function securityHeaders(backendPort: number) {
  const backend = (request: unknown): string => backendSources(request as Request, backendPort)
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        fontSrc: ["'self'"],
        connectSrc: ["'self'", backend],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
      },
    },
    referrerPolicy: { policy: 'no-referrer' },
    // Whoever ends TLS in front of us decides about it, for the whole domain.
    strictTransportSecurity: false,
    xFrameOptions: { action: 'deny' },
  })
}

/** The backend's addresses: the same host as the page's, on its own port, for requests and for the socket. */
function backendSources(request: Request, port: number): string {
  const host: string | undefined = request.hostname
  const name = host !== undefined && hostShape.test(host) ? host : '127.0.0.1'
  const isSecure = request.headers['x-forwarded-proto'] === 'https'
  return isSecure ? `https://${name}:${port} wss://${name}:${port}` : `http://${name}:${port} ws://${name}:${port}`
}

function replyWithError(error: unknown, _request: Request, response: Response, _next: NextFunction): void {
  const status = (error as { status?: unknown }).status
  if (response.headersSent) {
    response.destroy()
    return
  }
  const known = typeof status === 'number' && status >= 400 && status < 500
  response.status(known ? status : 500).type('text')
  response.send(known ? 'This address cannot be read.' : 'The page cannot be sent: see the log of the server.')
}

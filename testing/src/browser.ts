/**
 * A real Chromium for tests, driven by playwright-core. It is never downloaded: the machine's own is used.
 */

import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Starts Chromium from CHROMIUM_PATH (default /usr/bin/chromium), headless. Close it with `browser.close()`. */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
  if (!existsSync(executablePath)) {
    throw new Error(
      `No Chromium at ${executablePath}. Install it (Debian and Ubuntu: apt-get install chromium) ` +
        'or name the program in CHROMIUM_PATH.',
    )
  }
  return await chromium.launch({ executablePath, args: ARGUMENTS, headless: true })
}

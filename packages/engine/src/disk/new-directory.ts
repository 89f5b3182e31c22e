/**
 * A directory made from databases, as if its journal had just been cut: what an import and a repair leave.
 *
 *   snapshot-000001.rdb     everything
 *   manifest-1              names it; written last, so that without it there is nothing to open
 *
 * Who opens it begins the journal behind the snapshot.
 */
import type { Databases } from '../databases.ts'
import type { Env } from '../env.ts'
import { randomWord } from './journal-directory.ts'
import { MANIFEST_FORMAT, writeManifest, type Manifest, type SnapshotEntry } from './manifest.ts'
import { snapshotName, writeSnapshot } from './snapshot.ts'

const FIRST_SEGMENT = 1

/** As many as a server can be told to have: who looks at a directory from outside does not know how many it had. */
export const DATABASES_MAX = 10_000

/** The manifest of a directory that has no journal yet. */
export function newManifest(env: Env, snapshot: SnapshotEntry | null): Manifest {
  return {
    format: MANIFEST_FORMAT,
    generation: 1,
    directory: [randomWord(env), randomWord(env)].map((word) => word.toString(16).padStart(8, '0')).join(''),
    epoch: 0,
    isClean: true,
    snapshot,
    seqBefore: 0,
    segments: [],
  }
}

/**
 * Writes databases into a directory that is there and empty; they and their names in it are on stable storage then. When
 * it fails, what it has left there is not to be opened, and the caller's to remove.
 */
export async function writeDirectory(env: Env, directory: string, databases: Databases): Promise<SnapshotEntry> {
  const frozen = databases.freeze()
  try {
    const name = snapshotName(FIRST_SEGMENT)
    const snapshot = await writeSnapshot({ env, directory, name, frozen, isAborted: () => false })
    await writeManifest(env.fs, directory, newManifest(env, snapshot))
    return snapshot
  } finally {
    frozen.release()
  }
}

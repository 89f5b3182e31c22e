/** The package cluster-key-slot brings no types: the Cluster slot (0 to 16,383) of a key, hash tags considered. */
declare module 'cluster-key-slot' {
  export default function calculateSlot(key: string | Buffer): number
}

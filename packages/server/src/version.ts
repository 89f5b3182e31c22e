/**
 * Which Redis we say we are, in HELLO and INFO.
 *
 * Clients and tools switch features on by this number. The stream commands are those of 8.10, but who asks for a version asks
 * for other things as well (hash fields that expire, vector sets), so it is the first version of the last line that was
 * one program without modules: high enough for everything that a stream client looks for (7.0: shard channels, ACL selectors,
 * INFO's fields; 7.2: CLIENT SETINFO), and no promise of data types that are not here. What is newer is found out by trying it.
 */
export const REDIS_VERSION = '7.4.0'

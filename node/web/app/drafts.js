// What is being written. The node keeps it; while it is away, it waits here.
import { part, patch } from "./api.js";

/** So long after the node took a draft, answers that it gave before may still be on their way. */
const SETTLED_MS = 2000;

/** By conversation: what the node has not taken yet, or has only just taken. */
const unsaved = new Map();

export async function save(id, text) {
  unsaved.set(id, text);
  try {
    await patch(`/conversations/${part(id)}`, { draft: text || null });
    setTimeout(() => unsaved.get(id) === text && unsaved.delete(id), SETTLED_MS);
  } catch {
    // It is tried again when the node is back.
  }
}

/** What is being written in threads, by root: kept by this page alone. */
export const inThreads = new Map();

export const saveAll = () => [...unsaved].forEach(([id, text]) => save(id, text));

/** A conversation with what is written here, if the node does not know it. */
export const withDraft = (conversation) =>
  unsaved.has(conversation.id) ? { ...conversation, draft: unsaved.get(conversation.id) || undefined } : conversation;

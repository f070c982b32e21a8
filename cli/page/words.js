// What to tell a person about a call that failed.

/** A headline, what it means, and whether trying again can help. `unread` says what a read could not do. */
export function inWords(failure, { isWrite = false, unread = "The list could not be read." } = {}) {
  const again = { canRetry: true };
  // The gateway's own answer has no code.
  if (failure.status === 429) return { headline: "Too many requests", text: "The API's rate is used up for the moment.", ...again };
  switch (failure.code) {
    case "network":
      return {
        headline: "The server does not answer",
        text: isWrite
          ? "It is not known whether the change was made. Trying again is safe: it takes effect once."
          : "It may have been stopped, or the network is down.",
        ...again,
      };
    case "outcome_unknown":
      return {
        headline: "It is not known whether the change was made",
        text: "The database's answer was lost. Trying again is safe: the change takes effect once.",
        ...again,
      };
    case "unavailable":
      return { headline: "The database is busy", text: isWrite ? "Nothing was changed." : unread, ...again };
    case "unauthenticated":
      return { headline: "An API key is needed", text: "This server lends none. Enter a key to go on.", needsKey: true };
    case "invalid_api_key":
      return { headline: "The API key is not accepted", text: "It is unknown, revoked or expired. Enter another one.", needsKey: true };
    case "namespace_forbidden":
      return { headline: "This key may not do that", text: sentence(failure) };
    case "contact_not_found":
      return { headline: "The contact is not there", text: "It was deleted, or this key cannot see it." };
    case "invalid_parameter":
      return { headline: "The list cannot be shown like this", text: sentence(failure) };
    case "internal":
    case "unexpected":
      return { headline: "The server failed", text: `${sentence(failure)}${requestOf(failure)}`, ...again };
    default:
      return { headline: "That did not work", text: `${sentence(failure)}${requestOf(failure)}` };
  }
}

/** An error as a sentence. */
export function sentence({ message }) {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

const requestOf = (failure) => (failure.requestId ? ` Request ${failure.requestId}.` : "");

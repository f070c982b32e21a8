// The API key that the page acts with. It lives as long as the tab, and is never part of an address.

const NAME = "contacts.api-key";

/** The user's own key, or `null` when requests go without one and the server lends its development key. */
export const current = () => sessionStorage.getItem(NAME);

export const use = (key) => sessionStorage.setItem(NAME, key);

export const forget = () => sessionStorage.removeItem(NAME);

/** The id under which `contacts keys list` shows a key: the first 16 digits of its SHA-256. */
export async function idOf(key) {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
  return Array.from(new Uint8Array(hash, 0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
